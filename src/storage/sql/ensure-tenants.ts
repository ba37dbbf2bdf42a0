import type { ClientBase } from 'pg';

const text = `
INSERT INTO tenants (id)
SELECT id FROM unnest($1::text[]) AS wanted (id)
ORDER BY id
ON CONFLICT (id) DO NOTHING`;

/** Makes the rows of tenants that are seen for the first time. */
export async function ensureTenants(
  client: ClientBase,
  tenantIds: readonly string[],
): Promise<void> {
  await client.query({ name: 'ensure-tenants', text, values: [tenantIds] });
}
