import type { PoolClient } from 'pg';
import { createPool, type Tables } from '../client/pool.ts';
import { operatorScope, runInTransaction } from '../client/transaction.sql.ts';
import { type ListedTenant, listTenants } from '../tenants/list-tenants.sql.ts';
import { dropPayloads, findAgedVersion } from './event-payloads.sql.ts';
import { lockTenantIfFree } from './lock-tenant-if-free.sql.ts';
import { releaseRetentionLease, takeRetentionLease } from './retention-lease.sql.ts';
import {
  findTombstones,
  type FoundTombstones,
  purgeTombstones,
  type VersionRange,
} from './tombstones.sql.ts';

export interface RetentionStore {
  /**
   * Takes the retention lease: one process at a time cleans up a database.
   *
   * @returns undefined where another process holds the lease
   * @throws Error where the database cannot be reached
   */
  begin(): Promise<RetentionSession | undefined>;
}

/**
 * The steps of a clean-up, each a short transaction. All of them run on the connection that holds the lease. Where
 * the connection breaks, the lease ends, and no step runs without it.
 */
export interface RetentionSession {
  tenants(after: string, limit: number): Promise<readonly ListedTenant[]>;
  /** The newest version that was received at least `ageMs` milliseconds ago; 0 where there is none. */
  agedVersion(tenantNo: number, ageMs: number): Promise<number>;
  findTombstones(range: VersionRange, limit: number): Promise<FoundTombstones>;
  /** @returns the number of tombstones; undefined where another transaction holds the tenant's lock */
  purgeTombstones(range: VersionRange): Promise<number | undefined>;
  /**
   * Drops the payloads of the next `limit` events, and of none after version `upTo`.
   *
   * @returns undefined where another transaction holds the tenant's lock
   */
  dropPayloads(
    tenantNo: number,
    upTo: number,
    limit: number,
  ): Promise<{ readonly dropped: number; readonly done: boolean } | undefined>;
  /** Releases the lease. Never throws. */
  end(): Promise<void>;
}

/** @param connectionString each session opens one connection of its own, beside the pool of the service */
export function createRetentionStore(connectionString: string): RetentionStore {
  return {
    async begin() {
      const pool = createPool({ connectionString, max: 1, onIdleError: () => {} });
      let client: PoolClient | undefined;
      const close = async () => {
        client?.release(true);
        await pool.end();
      };
      try {
        client = await pool.connect();
        if (await takeRetentionLease(client)) return createSession(client, pool, close);
      } catch (error) {
        await close();
        throw error;
      }
      await close();
      return undefined;
    },
  };
}

function createSession(
  client: PoolClient,
  tables: Tables,
  close: () => Promise<void>,
): RetentionSession {
  const operate = <Result>(work: () => Promise<Result>) =>
    runInTransaction(client, operatorScope, tables, work);
  return {
    tenants: (after, limit) => operate(() => listTenants(client, after, limit)),
    agedVersion: (tenantNo, ageMs) => operate(() => findAgedVersion(client, tenantNo, ageMs)),
    findTombstones: (range, limit) => operate(() => findTombstones(client, range, limit)),
    purgeTombstones: (range) =>
      operate(async () => {
        const tenant = await lockTenantIfFree(client, range.tenantNo);
        return tenant && purgeTombstones(client, range);
      }),
    dropPayloads: (tenantNo, upTo, limit) =>
      operate(async () => {
        const tenant = await lockTenantIfFree(client, tenantNo);
        if (!tenant) return undefined;
        const after = tenant.logHorizon;
        if (after >= upTo) return { dropped: 0, done: true };
        const last = Math.min(after + limit, upTo);
        const dropped = await dropPayloads(client, { tenantNo, after, upTo: last });
        return { dropped, done: last === upTo };
      }),
    async end() {
      // Where this fails, the end of the connection ends the lease.
      await releaseRetentionLease(client).catch(() => {});
      await close();
    },
  };
}
