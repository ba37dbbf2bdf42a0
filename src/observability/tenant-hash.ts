import { createHmac, type KeyObject } from 'node:crypto';
import { LruMap } from 'toad-cache';

/** Tenants whose hash is remembered: the latest. */
const maxTenants = 10_000;

/** Enough to follow one tenant through the log, on every process; not enough to name it. */
export type TenantHash = (tenantId: string) => string;

/** @param logHashKey the same on every process of one database */
export function createTenantHash(logHashKey: KeyObject): TenantHash {
  const known = new LruMap<string>(maxTenants);
  return (tenantId) => {
    const found = known.get(tenantId);
    if (found !== undefined) return found;
    const hash = createHmac('sha256', logHashKey).update(tenantId).digest('hex').slice(0, 16);
    known.set(tenantId, hash);
    return hash;
  };
}
