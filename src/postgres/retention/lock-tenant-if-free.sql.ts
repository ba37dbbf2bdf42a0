import type { StatementSender } from '../client/pipeline.ts';

/** SKIP LOCKED, so that pushes never wait behind retention in the queue for the lock. */
const text = `
SELECT log_horizon
FROM tenants
WHERE no = $1
FOR UPDATE SKIP LOCKED`;

export interface FreeTenant {
  /** Payloads up to this version have been dropped. */
  readonly logHorizon: number;
}

/** @returns undefined where another transaction holds the row's lock, or the row is gone */
export async function lockTenantIfFree(
  sender: StatementSender,
  tenantNo: number,
): Promise<FreeTenant | undefined> {
  const statement = { name: 'lock-tenant-if-free', text, values: [tenantNo] };
  const { rows } = await sender.query<{ log_horizon: number }>(statement);
  return rows[0] && { logHorizon: rows[0].log_horizon };
}
