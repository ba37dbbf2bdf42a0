import type { StatementSender } from '../client/pipeline.ts';
import type { TenantTable } from './tenant-tables.ts';

/** A row that a push moves meanwhile has another ctid, and is found the next time. */
const text = (table: TenantTable) => `
DELETE FROM ${table}
WHERE ctid = ANY(ARRAY(SELECT ctid FROM ${table} WHERE tenant_id = $1 LIMIT $2))`;

export interface TenantBatch {
  readonly tenantId: string;
  readonly batchRows: number;
}

/** @returns how many rows went: fewer than `batchRows` where it was the rest */
export async function deleteTenantRows(
  sender: StatementSender,
  table: TenantTable,
  { tenantId, batchRows }: TenantBatch,
): Promise<number> {
  const { rowCount } = await sender.query({
    name: `delete-tenant-rows-${table}`,
    text: text(table),
    values: [tenantId, batchRows],
  });
  return rowCount ?? 0;
}
