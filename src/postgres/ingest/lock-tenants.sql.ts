import type { StatementSender } from '../client/pipeline.ts';

/** In id order, so that two groups that share tenants wait for each other instead of deadlocking. */
const text = `
SELECT
FROM tenants
WHERE id = ANY($1::text[])
ORDER BY id
FOR UPDATE`;

/** Takes the rows' locks. @returns how many there are: a tenant that was never seen has none yet */
export async function lockTenants(
  sender: StatementSender,
  tenantIds: readonly string[],
): Promise<number> {
  const { rowCount } = await sender.query({ name: 'lock-tenants', text, values: [tenantIds] });
  return rowCount ?? 0;
}
