import type { EventBase, EventReference, KnownEvent, StoredEffect, StoredEvent } from '../event.ts';
import type { EntityRef, RecordState } from '../record.ts';

/** What must be loaded before a batch can be decided. */
export interface BatchNeeds {
  readonly tenantId: string;
  /** The hashes of the keys of its events. */
  readonly keyHashes: readonly string[];
  /** The hashes of the keys that edits name as their base. */
  readonly baseKeyHashes: readonly string[];
  readonly entities: readonly EntityRef[];
  /** The versions that the edits state as their base. */
  readonly bases: readonly EventBase[];
}

/** The state of one tenant under its row lock: it cannot change before the plan is written. */
export interface TenantSnapshot {
  readonly tenantId: string;
  readonly head: number;
  readonly epoch: string;
  readonly headReference: EventReference | undefined;
  /** The database's clock, read after the lock was taken. Microseconds since 1970. */
  readonly receivedAt: number;
  /** Stored events that the batches refer to. Those under the keys of their events may be missing. */
  readonly known: readonly KnownEvent[];
  readonly records: readonly RecordState[];
}

/** What to write for one tenant: the events to append, the records to replace, and the new head. */
export interface TenantPlan<Decision> {
  readonly head: number;
  readonly events: readonly StoredEvent[];
  readonly effects: readonly StoredEffect[];
  readonly records: readonly RecordState[];
  /** One per batch of the tenant, in order, for the sender of the batch. */
  readonly decisions: readonly Decision[];
}
