import type { EntityRef, RecordState } from '../record.ts';
import type {
  EventBase,
  StoredEffect,
  EventReference,
  StoredEvent,
  KnownEvent,
} from '../stored-event.ts';

/** What a batch needs to have loaded before it can be decided. */
export interface BatchNeeds {
  readonly tenantId: string;
  readonly identityKeys: readonly string[];
  readonly entities: readonly EntityRef[];
  /** The versions on which its edits say they were made. */
  readonly bases: readonly EventBase[];
}

/** A row of a set that spans tenants. */
export type WithTenant<Row> = Row & { readonly tenantId: string };

/** One tenant under its row lock: nothing of it can change before the plan is written. */
export interface TenantSnapshot {
  readonly tenantId: string;
  readonly head: number;
  readonly epoch: string;
  readonly headReference: EventReference | undefined;
  /** The database's clock, after the lock was taken. */
  readonly receivedAt: number;
  readonly known: readonly KnownEvent[];
  readonly records: readonly RecordState[];
}

/** What to write for one tenant: rows to append, records to replace, the head to move to. */
export interface TenantPlan<Decision> {
  readonly head: number;
  readonly events: readonly StoredEvent[];
  readonly effects: readonly StoredEffect[];
  readonly records: readonly RecordState[];
  /** One per batch of the tenant, in order; handed back to whoever sent the batch. */
  readonly decisions: readonly Decision[];
}

/** Yields as often as it can be interrupted for a moment. */
export type DecideTenantInSteps<Batch, Decision> = (
  snapshot: TenantSnapshot,
  batches: readonly Batch[],
) => Generator<void, TenantPlan<Decision>>;
