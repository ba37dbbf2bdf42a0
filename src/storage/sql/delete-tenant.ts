import type { ClientBase } from 'pg';

const text = 'DELETE FROM tenants WHERE id = $1';

/** For a tenant without any other row, under its lock: its next push makes a new one. */
export async function deleteTenant(client: ClientBase, tenantId: string): Promise<void> {
  await client.query({ name: 'delete-tenant', text, values: [tenantId] });
}
