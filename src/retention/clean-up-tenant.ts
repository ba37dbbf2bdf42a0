import type { RetentionSession } from '../postgres/retention/retention-store.ts';

export interface RetentionSettings {
  /** Tombstones older than this are purged. */
  readonly tombstoneMs: number;
  /** Events older than this lose their payload; null: they keep it. */
  readonly eventMs: number | null;
  /** Rows a transaction. */
  readonly batchRows: number;
}

/**
 * By the epoch of a tenant's history the version up to which it holds no tombstone any more. Kept
 * from pass to pass, so that old records are not read again and again for the few that are deleted.
 */
export type PurgedRows = Map<string, number>;

export interface RetentionCounts {
  tombstones: number;
  payloads: number;
}

export interface TenantCleanupOptions {
  readonly session: RetentionSession;
  readonly settings: RetentionSettings;
  readonly purged: PurgedRows;
  readonly signal: AbortSignal;
  readonly tally: RetentionCounts;
}

export interface RetentionTenant {
  readonly id: string;
  readonly epoch: string;
}

/**
 * Purges a tenant's old tombstones, then drops its old payloads, batch by batch. What it did is kept
 * where it has to stop half-way: it can be called again at any time.
 *
 * @returns false where a push has the tenant
 */
export async function cleanUpTenant(
  work: TenantCleanupOptions,
  tenant: RetentionTenant,
): Promise<boolean> {
  return (await purgeTombstones(work, tenant)) && (await dropPayloads(work, tenant));
}

async function purgeTombstones(
  work: TenantCleanupOptions,
  { id, epoch }: RetentionTenant,
): Promise<boolean> {
  const { session, settings, purged, signal, tally } = work;
  const upTo = await session.agedVersion(id, settings.tombstoneMs);
  for (let after = purged.get(epoch) ?? 0; after < upTo && !signal.aborted; ) {
    const found = await session.findTombstones({ tenantId: id, after, upTo }, settings.batchRows);
    const last = found.last ?? upTo;
    if (found.tombstones > 0) {
      const count = await session.purgeTombstones({ tenantId: id, after, upTo: last });
      if (count === undefined) return false;
      tally.tombstones += count;
    }
    after = last;
    purged.set(epoch, after);
  }
  return true;
}

async function dropPayloads(work: TenantCleanupOptions, { id }: RetentionTenant): Promise<boolean> {
  const { session, settings, signal, tally } = work;
  if (settings.eventMs === null) return true;
  const upTo = await session.agedVersion(id, settings.eventMs);
  for (let done = upTo === 0; !done && !signal.aborted; ) {
    const batch = await session.dropPayloads(id, upTo, settings.batchRows);
    if (!batch) return false;
    tally.payloads += batch.dropped;
    done = batch.done;
  }
  return true;
}
