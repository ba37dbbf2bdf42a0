import type { StatementSender } from '../client/pipeline.ts';
import type { TenantTable } from './tenant-tables.ts';

const text = (table: TenantTable) => `
SELECT count(*) AS count
FROM (SELECT FROM ${table} WHERE tenant_id = $1 LIMIT $2) AS counted`;

/** A tenant's rows of one table. Counts no further than `limit`. */
export async function countTenantRows(
  sender: StatementSender,
  table: TenantTable,
  tenantId: string,
  limit: number,
): Promise<number> {
  const { rows } = await sender.query<{ count: number }>({
    name: `count-tenant-rows-${table}`,
    text: text(table),
    values: [tenantId, limit],
  });
  return rows[0]?.count ?? 0;
}
