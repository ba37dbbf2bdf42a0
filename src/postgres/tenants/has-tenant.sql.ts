import type { StatementSender } from '../client/pipeline.ts';

const text = 'SELECT FROM tenants WHERE id = $1';

export async function hasTenant(sender: StatementSender, tenantId: string): Promise<boolean> {
  const { rowCount } = await sender.query({ name: 'has-tenant', text, values: [tenantId] });
  return rowCount === 1;
}
