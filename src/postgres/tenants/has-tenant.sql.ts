import type { Sender } from '../client/pipeline.ts';

const text = 'SELECT FROM tenants WHERE id = $1';

export async function hasTenant(sender: Sender, tenantId: string): Promise<boolean> {
  const { rowCount } = await sender.query({ name: 'has-tenant', text, values: [tenantId] });
  return rowCount === 1;
}
