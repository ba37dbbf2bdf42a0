import type { ClientBase } from 'pg';

const text = 'SELECT FROM tenants WHERE id = $1';

export async function hasTenant(client: ClientBase, tenantId: string): Promise<boolean> {
  const { rowCount } = await client.query({ name: 'has-tenant', text, values: [tenantId] });
  return rowCount === 1;
}
