import type { StatementSender } from '../client/pipeline.ts';

const text = 'DELETE FROM tenants WHERE id = $1';

/** For a tenant without any other row, under its lock: its next push makes a new one. */
export async function deleteTenant(sender: StatementSender, tenantId: string): Promise<void> {
  await sender.query({ name: 'delete-tenant', text, values: [tenantId] });
}
