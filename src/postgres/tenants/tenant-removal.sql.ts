import type { StatementSender } from '../client/pipeline.ts';
import type { TenantTable } from './tenant-tables.ts';

const hasTenantText = 'SELECT FROM tenants WHERE id = $1';

export async function hasTenant(sender: StatementSender, tenantId: string): Promise<boolean> {
  const statement = { name: 'has-tenant', text: hasTenantText, values: [tenantId] };
  const { rowCount } = await sender.query(statement);
  return rowCount === 1;
}

const countText = (table: TenantTable) => `
SELECT count(*) AS count
FROM (SELECT FROM ${table} WHERE tenant_id = $1 LIMIT $2) AS counted`;

/** The number of a tenant's rows in one table. It counts no further than `limit`. */
export async function countTenantRows(
  sender: StatementSender,
  table: TenantTable,
  tenantId: string,
  limit: number,
): Promise<number> {
  const { rows } = await sender.query<{ count: number }>({
    name: `count-tenant-rows-${table}`,
    text: countText(table),
    values: [tenantId, limit],
  });
  return rows[0]?.count ?? 0;
}

const renewEpochText = 'UPDATE tenants SET epoch = gen_random_uuid() WHERE id = $1';

/** Ends a tenant's history: all its checkpoints expire. @returns false where there is no such tenant */
export async function renewEpoch(sender: StatementSender, tenantId: string): Promise<boolean> {
  const statement = { name: 'renew-epoch', text: renewEpochText, values: [tenantId] };
  const { rowCount } = await sender.query(statement);
  return rowCount === 1;
}

/** A push that updates a row at the same time changes its ctid. The next call finds the row. */
const deleteRowsText = (table: TenantTable) => `
DELETE FROM ${table}
WHERE ctid = ANY(ARRAY(SELECT ctid FROM ${table} WHERE tenant_id = $1 LIMIT $2))`;

export interface TenantBatch {
  readonly tenantId: string;
  readonly batchRows: number;
}

/** @returns the number of deleted rows: fewer than `batchRows` where no more are left */
export async function deleteTenantRows(
  sender: StatementSender,
  table: TenantTable,
  { tenantId, batchRows }: TenantBatch,
): Promise<number> {
  const { rowCount } = await sender.query({
    name: `delete-tenant-rows-${table}`,
    text: deleteRowsText(table),
    values: [tenantId, batchRows],
  });
  return rowCount ?? 0;
}

const deleteTenantText = 'DELETE FROM tenants WHERE id = $1';

/** Call it under the lock of a tenant without any other row. The tenant's next push inserts a new row. */
export async function deleteTenant(sender: StatementSender, tenantId: string): Promise<void> {
  await sender.query({ name: 'delete-tenant', text: deleteTenantText, values: [tenantId] });
}
