import { LruMap } from 'toad-cache';
import type { TenantSnapshot } from '../domain/decide/tenant-plan.ts';
import type { Batch } from '../domain/decide/batch.ts';

/** The latest. */
const maxTenants = 10_000;

/** How large batches are, with the records that they will load. */
export interface ExpectedBatchBytes {
  /** What was loaded for a tenant: its next batches are expected to load the same for each entity. */
  learn(snapshot: TenantSnapshot): void;
  of(batch: Batch): number;
}

/**
 * What a batch loads is known only once it is loaded. A tenant of large records is not to make groups
 * heavy for its neighbours again and again.
 */
export function createExpectedBatchBytes(): ExpectedBatchBytes {
  const perEntity = new LruMap<number>(maxTenants);
  return {
    learn({ tenantId, records }) {
      if (records.length === 0) return;
      const loaded = records.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
      perEntity.set(tenantId, loaded / records.length);
    },
    of: ({ tenantId, bytes, needs }) =>
      bytes + needs.entities.length * (perEntity.get(tenantId) ?? 0),
  };
}
