import type { PoolClient } from 'pg';
import { createPool } from '../client/pool.ts';
import { dropPayloads } from './drop-payloads.sql.ts';
import { findAgedVersion } from './find-aged-version.sql.ts';
import { type FoundTombstones, findTombstones, type VersionRange } from './find-tombstones.sql.ts';
import { releaseRetentionLease } from './release-lease.sql.ts';
import { type ListedTenant, listTenants } from '../tenants/list-tenants.sql.ts';
import { lockTenantIfFree } from './lock-tenant-if-free.sql.ts';
import { purgeTombstones } from './purge-tombstones.sql.ts';
import { takeRetentionLease } from './take-lease.sql.ts';
import { operatorScope, runInTransaction } from '../client/transaction.sql.ts';

export interface RetentionStore {
  /**
   * Takes the database's one seat for this work.
   *
   * @returns undefined where another process has it
   * @throws Error where the database cannot be reached
   */
  begin(): Promise<RetentionSession | undefined>;
}

/**
 * The steps of the work, each a short statement or transaction. All of them run on the connection
 * that holds the seat: where it breaks, the seat is free and nothing goes on without it.
 */
export interface RetentionSession {
  tenants(after: string, limit: number): Promise<readonly ListedTenant[]>;
  /** The newest version that was received so many milliseconds ago; 0 where none was. */
  agedVersion(tenantId: string, ageMs: number): Promise<number>;
  findTombstones(range: VersionRange, limit: number): Promise<FoundTombstones>;
  /** @returns how many there were; undefined where the tenant is busy */
  purgeTombstones(range: VersionRange): Promise<number | undefined>;
  /**
   * Drops the payloads of the next so many events up to a version.
   *
   * @returns undefined where the tenant is busy
   */
  dropPayloads(
    tenantId: string,
    upTo: number,
    limit: number,
  ): Promise<{ readonly dropped: number; readonly done: boolean } | undefined>;
  /** Gives the seat back. Never throws. */
  end(): Promise<void>;
}

/** @param connectionString each pass has a connection of its own, beside the pool of the pushes */
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
        if (await takeRetentionLease(client)) return toSession(client, close);
      } catch (error) {
        await close();
        throw error;
      }
      await close();
      return undefined;
    },
  };
}

function toSession(client: PoolClient, close: () => Promise<void>): RetentionSession {
  const operate = <Result>(work: () => Promise<Result>) =>
    runInTransaction(client, operatorScope, work);
  return {
    tenants: (after, limit) => operate(() => listTenants(client, after, limit)),
    agedVersion: (tenantId, ageMs) => operate(() => findAgedVersion(client, tenantId, ageMs)),
    findTombstones: (range, limit) => operate(() => findTombstones(client, range, limit)),
    purgeTombstones: (range) =>
      operate(async () => {
        const tenant = await lockTenantIfFree(client, range.tenantId);
        return tenant && purgeTombstones(client, range);
      }),
    dropPayloads: (tenantId, upTo, limit) =>
      operate(async () => {
        const tenant = await lockTenantIfFree(client, tenantId);
        if (!tenant) return undefined;
        const after = tenant.logHorizon;
        if (after >= upTo) return { dropped: 0, done: true };
        const last = Math.min(after + limit, upTo);
        const dropped = await dropPayloads(client, { tenantId, after, upTo: last });
        return { dropped, done: last === upTo };
      }),
    async end() {
      // Where it fails, the end of the connection frees the seat.
      await releaseRetentionLease(client).catch(() => {});
      await close();
    },
  };
}
