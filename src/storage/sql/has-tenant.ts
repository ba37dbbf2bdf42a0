import type { Pool } from 'pg';

const text = 'SELECT FROM tenants WHERE id = $1';

export async function hasTenant(pool: Pool, tenantId: string): Promise<boolean> {
  const { rowCount } = await pool.query({ name: 'has-tenant', text, values: [tenantId] });
  return rowCount === 1;
}
