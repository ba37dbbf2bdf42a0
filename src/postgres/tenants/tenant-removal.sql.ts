import { randomUUID } from 'node:crypto';
import type { StatementSender } from '../client/pipeline.ts';
import type { TenantTable } from './tenant-tables.ts';

const findTenantText = 'SELECT no FROM tenant_numbers WHERE id = $1';

/** The number of a tenant; undefined where there is no such tenant. */
export async function findTenant(
  sender: StatementSender,
  tenantId: string,
): Promise<number | undefined> {
  const statement = { name: 'find-tenant', text: findTenantText, values: [tenantId] };
  const { rows } = await sender.query<{ no: number }>(statement);
  return rows[0]?.no;
}

const countText = (table: TenantTable) => `
SELECT count(*) AS count
FROM (SELECT FROM ${table} WHERE tenant_no = $1 LIMIT $2) AS counted`;

/** The number of a tenant's rows in one table. It counts no further than `limit`. */
export async function countTenantRows(
  sender: StatementSender,
  table: TenantTable,
  tenantNo: number,
  limit: number,
): Promise<number> {
  const { rows } = await sender.query<{ count: number }>({
    name: `count-tenant-rows-${table}`,
    text: countText(table),
    values: [tenantNo, limit],
  });
  return rows[0]?.count ?? 0;
}

const renewEpochText = 'UPDATE tenants SET epoch = $2 WHERE no = $1';

/** Ends a tenant's history: all its checkpoints expire. @returns false where there is no such tenant */
export async function renewEpoch(sender: StatementSender, tenantNo: number): Promise<boolean> {
  const statement = { name: 'renew-epoch', text: renewEpochText, values: [tenantNo, randomUUID()] };
  const { rowCount } = await sender.query(statement);
  return rowCount === 1;
}

/** A push that updates a row at the same time changes its ctid. The next call finds the row. */
const deleteRowsText = (table: TenantTable) => `
DELETE FROM ${table}
WHERE tenant_no = $1
  AND ctid = ANY(ARRAY(SELECT ctid FROM ${table} WHERE tenant_no = $1 LIMIT $2))`;

export interface TenantBatch {
  readonly tenantNo: number;
  readonly batchRows: number;
}

/** @returns the number of deleted rows: fewer than `batchRows` where no more are left */
export async function deleteTenantRows(
  sender: StatementSender,
  table: TenantTable,
  { tenantNo, batchRows }: TenantBatch,
): Promise<number> {
  const { rowCount } = await sender.query({
    name: `delete-tenant-rows-${table}`,
    text: deleteRowsText(table),
    values: [tenantNo, batchRows],
  });
  return rowCount ?? 0;
}

const deleteTenantText = 'DELETE FROM tenants WHERE no = $1';
const deleteNumberText = 'DELETE FROM tenant_numbers WHERE id = $1 AND no = $2';

/** Call it under the lock of a tenant without any other row. The tenant's next push gets it another number. */
export async function deleteTenant(
  sender: StatementSender,
  { tenantId, tenantNo }: { readonly tenantId: string; readonly tenantNo: number },
): Promise<void> {
  await sender.query({ name: 'delete-tenant', text: deleteTenantText, values: [tenantNo] });
  const values = [tenantId, tenantNo];
  await sender.query({ name: 'delete-tenant-number', text: deleteNumberText, values });
}
