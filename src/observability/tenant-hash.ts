import { createHmac, type KeyObject } from 'node:crypto';
import { LruMap } from 'toad-cache';

/** The maximum of cached hashes. */
const maxTenants = 10_000;

/** A hash that identifies a tenant in the logs of all processes, without showing its name. */
export type TenantHash = (tenantId: string) => string;

/** @param logHashKey the key of the database, so that it is the same on every process */
export function createTenantHash(logHashKey: KeyObject): TenantHash {
  const cache = new LruMap<string>(maxTenants);
  return (tenantId) => {
    const cached = cache.get(tenantId);
    if (cached !== undefined) return cached;
    const hash = createHmac('sha256', logHashKey).update(tenantId).digest('hex').slice(0, 16);
    cache.set(tenantId, hash);
    return hash;
  };
}
