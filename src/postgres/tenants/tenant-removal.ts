import { setTimeout as sleep } from 'node:timers/promises';
import { isTransient } from '../client/errors.ts';
import type { SchemaPool } from '../client/pool.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { operatorScope, runInOneRoundTrip, runInTransaction } from '../client/transaction.sql.ts';
import { lockTenants } from '../ingest/tenant-heads.sql.ts';
import {
  countTenantRows,
  deleteTenant,
  deleteTenantRows,
  findTenant,
  renewEpoch,
  type TenantBatch,
} from './tenant-removal.sql.ts';
import { type TenantTable, tenantTables } from './tenant-tables.ts';

const maxAttempts = 10;
const pauseMs = 50;

export type RowCounts = ReadonlyMap<TenantTable, number>;

export interface TenantRemoval {
  /**
   * The number of a tenant's rows in each table.
   *
   * @param limit the maximum that is counted in a table
   * @returns undefined where there is no such tenant
   */
  count(tenantId: string, limit: number): Promise<RowCounts | undefined>;
  /**
   * Removes a tenant and all its rows in small transactions, also rows that its devices push at the same time. Where
   * the removal is interrupted, the tenant is still there with the rows that are left.
   *
   * @param batchRows the maximum of rows that one transaction deletes from a table
   * @returns the number of deleted rows in each table; undefined where there is no such tenant
   */
  remove(tenantId: string, batchRows: number): Promise<RowCounts | undefined>;
}

interface RemovedBatch extends TenantBatch {
  readonly tenantId: string;
}

export function createTenantRemoval(pool: SchemaPool): TenantRemoval {
  const run = <Result>(send: (sender: StatementSender) => Promise<Result>) =>
    runInOneRoundTrip(pool, operatorScope, send);
  return {
    async count(tenantId, limit) {
      const tenantNo = await run((sender) => findTenant(sender, tenantId));
      if (tenantNo === undefined) return undefined;
      const counts = new Map<TenantTable, number>();
      for (const table of tenantTables) {
        const count = await run((sender) => countTenantRows(sender, table, tenantNo, limit));
        counts.set(table, count);
      }
      return counts;
    },

    async remove(tenantId, batchRows) {
      const tenantNo = await run((sender) => findTenant(sender, tenantId));
      if (tenantNo === undefined) return undefined;
      // First, so that no device pulls from an old checkpoint while records are being deleted.
      const isThere = await withRetries(() => run((sender) => renewEpoch(sender, tenantNo)));
      if (!isThere) return undefined;
      const batch = { tenantId, tenantNo, batchRows };
      const removed = new Map<TenantTable, number>();
      for (const table of tenantTables) {
        for (let isEmpty = false; !isEmpty; ) {
          const count = await withRetries(() =>
            run((sender) => deleteTenantRows(sender, table, batch)),
          );
          add(removed, table, count);
          isEmpty = count < batchRows;
        }
      }
      for (let isRemoved = false; !isRemoved; ) {
        const last = await withRetries(() => deleteNewRowsAndTenant(pool, batch));
        for (const [table, count] of last.counts) add(removed, table, count);
        isRemoved = last.isRemoved;
      }
      return removed;
    },
  };
}

/** Deletes rows that were pushed in the meantime, and the tenant itself if they were fewer than a batch. */
async function deleteNewRowsAndTenant(pool: SchemaPool, batch: RemovedBatch) {
  const client = await pool.connect();
  try {
    return await runInTransaction(client, operatorScope, pool, async () => {
      await lockTenants(client, [batch.tenantNo]);
      const counts = new Map<TenantTable, number>();
      for (const table of tenantTables) {
        counts.set(table, await deleteTenantRows(client, table, batch));
      }
      const isRemoved = [...counts.values()].every((count) => count < batch.batchRows);
      if (isRemoved) await deleteTenant(client, batch);
      return { counts, isRemoved };
    });
  } finally {
    client.release();
  }
}

function add(counts: Map<TenantTable, number>, table: TenantTable, count: number): void {
  counts.set(table, (counts.get(table) ?? 0) + count);
}

/** The tenant's devices may still push: a push may hold the tenant's lock for longer than a statement waits. */
async function withRetries<Result>(step: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await step();
    } catch (error) {
      if (!isTransient(error) || attempt === maxAttempts) throw error;
      await sleep(pauseMs * attempt);
    }
  }
}
