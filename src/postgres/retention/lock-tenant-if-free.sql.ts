import type { StatementSender } from '../client/pipeline.ts';

/** Skips, so that maintenance never stands in a queue before pushes. */
const text = `
SELECT log_horizon
FROM tenants
WHERE id = $1
FOR UPDATE SKIP LOCKED`;

export interface FreeTenant {
  /** Payloads up to this version have been dropped. */
  readonly logHorizon: number;
}

/** Undefined where somebody else has the row, or where it is gone. */
export async function lockTenantIfFree(
  sender: StatementSender,
  tenantId: string,
): Promise<FreeTenant | undefined> {
  const { rows } = await sender.query<{ log_horizon: number }>({
    name: 'lock-tenant-if-free',
    text,
    values: [tenantId],
  });
  return rows[0] && { logHorizon: rows[0].log_horizon };
}
