import type { RetentionSession } from '../postgres/retention/retention-store.ts';

export interface RetentionSettings {
  /** The age in milliseconds from which on tombstones are purged. */
  readonly tombstoneMs: number;
  /** The age in milliseconds from which on events lose their payload. Null: events keep it. */
  readonly eventMs: number | null;
  /** The maximum of rows per transaction. */
  readonly batchRows: number;
}

/**
 * The version up to which all tombstones are purged, by the epoch of the tenant. It is kept between passes,
 * so that a pass does not read all old records again to find a few tombstones.
 */
export type PurgedVersions = Map<string, number>;

export interface RetentionCounts {
  tombstones: number;
  payloads: number;
}

export interface TenantCleanupOptions {
  readonly session: RetentionSession;
  readonly settings: RetentionSettings;
  readonly purged: PurgedVersions;
  readonly signal: AbortSignal;
  readonly tally: RetentionCounts;
}

export interface RetentionTenant {
  /** The number of the tenant. */
  readonly no: number;
  readonly epoch: string;
}

/**
 * Purges a tenant's old tombstones, then drops its old payloads, batch by batch. Each batch is committed on
 * its own, so the clean-up can stop at any time and continue later.
 *
 * @returns false if a push holds the tenant's lock
 */
export async function cleanUpTenant(
  work: TenantCleanupOptions,
  tenant: RetentionTenant,
): Promise<boolean> {
  return (await purgeTombstones(work, tenant)) && (await dropPayloads(work, tenant));
}

async function purgeTombstones(
  work: TenantCleanupOptions,
  { no, epoch }: RetentionTenant,
): Promise<boolean> {
  const { session, settings, purged, signal, tally } = work;
  const upTo = await session.agedVersion(no, settings.tombstoneMs);
  for (let after = purged.get(epoch) ?? 0; after < upTo && !signal.aborted; ) {
    const found = await session.findTombstones({ tenantNo: no, after, upTo }, settings.batchRows);
    const last = found.last ?? upTo;
    if (found.tombstones > 0) {
      const count = await session.purgeTombstones({ tenantNo: no, after, upTo: last });
      if (count === undefined) return false;
      tally.tombstones += count;
    }
    after = last;
    purged.set(epoch, after);
  }
  return true;
}

async function dropPayloads(work: TenantCleanupOptions, { no }: RetentionTenant): Promise<boolean> {
  const { session, settings, signal, tally } = work;
  if (settings.eventMs === null) return true;
  const upTo = await session.agedVersion(no, settings.eventMs);
  for (let done = upTo === 0; !done && !signal.aborted; ) {
    const batch = await session.dropPayloads(no, upTo, settings.batchRows);
    if (!batch) return false;
    tally.payloads += batch.dropped;
    done = batch.done;
  }
  return true;
}
