import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { isTransient } from '../client/errors.ts';
import { countTenantRows } from './count-tenant-rows.sql.ts';
import { deleteTenant } from './delete-tenant.sql.ts';
import { deleteTenantRows, type TenantBatch } from './delete-tenant-rows.sql.ts';
import { hasTenant } from './has-tenant.sql.ts';
import { lockTenants } from '../ingest/lock-tenants.sql.ts';
import { renewEpoch } from '../instance/renew-epoch.sql.ts';
import { type TenantTable, tenantTables } from './tenant-tables.ts';
import { operatorScope, runInOneRoundTrip, runInTransaction } from '../client/transaction.sql.ts';
import type { StatementSender } from '../client/pipeline.ts';

const maxAttempts = 10;
const pauseMs = 50;

export type RowCounts = ReadonlyMap<TenantTable, number>;

export interface TenantRemoval {
  /**
   * What a tenant holds, table by table.
   *
   * @param limit a table is counted no further
   * @returns undefined where there is no such tenant
   */
  count(tenantId: string, limit: number): Promise<RowCounts | undefined>;
  /**
   * Removes a tenant and all that it holds in small transactions, also what its devices push
   * meanwhile. Where it is interrupted, the tenant is still there with what is left.
   *
   * @param batchRows rows a table and transaction
   * @returns how many rows went; undefined where there is no such tenant
   */
  remove(tenantId: string, batchRows: number): Promise<RowCounts | undefined>;
}

export function createTenantRemoval(pool: Pool): TenantRemoval {
  const alone = <Result>(send: (trip: StatementSender) => Promise<Result>) =>
    runInOneRoundTrip(pool, operatorScope, send);
  return {
    async count(tenantId, limit) {
      if (!(await alone((trip) => hasTenant(trip, tenantId)))) return undefined;
      const counts = new Map<TenantTable, number>();
      for (const table of tenantTables) {
        const count = await alone((trip) => countTenantRows(trip, table, tenantId, limit));
        counts.set(table, count);
      }
      return counts;
    },

    async remove(tenantId, batchRows) {
      // First, so that no device goes on from a checkpoint while its records go.
      if (!(await patiently(() => alone((trip) => renewEpoch(trip, tenantId))))) return undefined;
      const batch = { tenantId, batchRows };
      const removed = new Map<TenantTable, number>();
      for (const table of tenantTables) {
        for (let isRest = false; !isRest; ) {
          const count = await patiently(() =>
            alone((trip) => deleteTenantRows(trip, table, batch)),
          );
          add(removed, table, count);
          isRest = count < batchRows;
        }
      }
      for (let isRest = false; !isRest; ) {
        const last = await patiently(() => deleteRest(pool, batch));
        for (const [table, count] of last.counts) add(removed, table, count);
        isRest = last.isRest;
      }
      return removed;
    },
  };
}

/** What came in meanwhile, and the tenant itself unless that was more than a batch. */
async function deleteRest(pool: Pool, batch: TenantBatch) {
  const client = await pool.connect();
  try {
    return await runInTransaction(client, operatorScope, async () => {
      await lockTenants(client, [batch.tenantId]);
      const counts = new Map<TenantTable, number>();
      for (const table of tenantTables) {
        counts.set(table, await deleteTenantRows(client, table, batch));
      }
      const isRest = [...counts.values()].every((count) => count < batch.batchRows);
      if (isRest) await deleteTenant(client, batch.tenantId);
      return { counts, isRest };
    });
  } finally {
    client.release();
  }
}

function add(counts: Map<TenantTable, number>, table: TenantTable, count: number): void {
  counts.set(table, (counts.get(table) ?? 0) + count);
}

/** Its devices may still push, and have the tenant's lock for longer than a statement waits. */
async function patiently<Result>(step: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await step();
    } catch (error) {
      if (!isTransient(error) || attempt === maxAttempts) throw error;
      await sleep(pauseMs * attempt);
    }
  }
}
