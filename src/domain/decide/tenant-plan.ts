import type { EntityRef, RecordState } from '../record.ts';
import type { Base, EffectRow, EventProof, EventRow, KnownEvent } from '../stored-event.ts';

/** What a batch needs to have loaded before it can be decided. */
export interface Wanted {
  readonly tenantId: string;
  readonly identityKeys: readonly string[];
  readonly entities: readonly EntityRef[];
  /** The versions on which its edits say they were made. */
  readonly bases: readonly Base[];
}

/** A row of a set that spans tenants. */
export type OfTenant<Row> = Row & { readonly tenantId: string };

/** One tenant under its row lock: nothing of it can change before the plan is written. */
export interface TenantSnapshot {
  readonly tenantId: string;
  readonly head: number;
  readonly epoch: string;
  readonly headProof: EventProof | undefined;
  /** The database's clock, after the lock was taken. */
  readonly receivedAt: number;
  readonly known: readonly KnownEvent[];
  readonly records: readonly RecordState[];
}

/** What to write for one tenant: rows to append, records to replace, the head to move to. */
export interface TenantPlan<Decision> {
  readonly head: number;
  readonly events: readonly EventRow[];
  readonly effects: readonly EffectRow[];
  readonly records: readonly RecordState[];
  /** One per batch of the tenant, in order; handed back to whoever sent the batch. */
  readonly decisions: readonly Decision[];
}

/** Yields as often as it can be interrupted for a moment. */
export type DecideTenant<Batch, Decision> = (
  snapshot: TenantSnapshot,
  batches: readonly Batch[],
) => Generator<void, TenantPlan<Decision>>;
