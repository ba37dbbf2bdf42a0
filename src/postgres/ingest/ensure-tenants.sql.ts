import type { StatementSender } from '../client/pipeline.ts';

const text = `
INSERT INTO tenants (id)
SELECT id FROM unnest($1::text[]) AS wanted (id)
ORDER BY id
ON CONFLICT (id) DO NOTHING`;

/** Makes the rows of tenants that are seen for the first time. */
export async function ensureTenants(
  sender: StatementSender,
  tenantIds: readonly string[],
): Promise<void> {
  await sender.query({ name: 'ensure-tenants', text, values: [tenantIds] });
}
