import type { BatchNeeds } from './tenant-plan.ts';
import type { DecodeResult } from './decode-event.ts';
import { entitiesOf } from './entities-of-event.ts';

/** One request's events, with who sent them. */
export interface Batch {
  readonly tenantId: string;
  readonly deviceId: string | null;
  readonly subject: string | null;
  /** Microseconds since 1970, on the client's clock. */
  readonly sentAt: number | null;
  readonly atomic: boolean;
  /** Whether an event that meets a CONFLICT is kept for a person to settle, or only answered. */
  readonly keepsConflicts: boolean;
  /** Whether every outcome brings its record, or only those whose sender must roll back. */
  readonly bringsRecords: boolean;
  /** In request order. */
  readonly events: readonly DecodeResult[];
  /** Of the payloads, as they will be stored. */
  readonly bytes: number;
  readonly needs: BatchNeeds;
}

/** Adds to a batch its size, and what must be loaded to decide it. */
export function createBatch(batch: Omit<Batch, 'bytes' | 'needs'>): Batch {
  const events = batch.events.flatMap((result) => (result.ok ? [result.event] : []));
  return {
    ...batch,
    bytes: events.reduce((sum, { payload }) => sum + payload.length, 0),
    needs: {
      tenantId: batch.tenantId,
      identityKeys: events.flatMap(({ identityKey, baseKey }) =>
        baseKey === null ? [identityKey] : [identityKey, baseKey],
      ),
      entities: events.flatMap((event) => entitiesOf(event, event.intent)),
      bases: events.flatMap(({ entityType, entityId, baseVersion }) =>
        baseVersion ? [{ entityType, entityId, version: baseVersion }] : [],
      ),
    },
  };
}
