import type { StatementSender } from '../client/pipeline.ts';

const text = 'UPDATE tenants SET epoch = gen_random_uuid() WHERE id = $1';

/** Ends a tenant's history: its checkpoints have expired. @returns false where there is no such tenant */
export async function renewEpoch(sender: StatementSender, tenantId: string): Promise<boolean> {
  const { rowCount } = await sender.query({ name: 'renew-epoch', text, values: [tenantId] });
  return rowCount === 1;
}
