import type { ClientBase } from 'pg';

/** In id order, so that two groups that share tenants wait for each other instead of deadlocking. */
const text = `
SELECT id, head, epoch, horizon
FROM tenants
WHERE id = ANY($1::text[])
ORDER BY id
FOR UPDATE`;

export interface LockedTenant {
  readonly id: string;
  readonly head: number;
  readonly epoch: string;
  /** Above 0 once tombstones were purged. */
  readonly horizon: number;
}

/** Takes the rows' locks. Tenants that have no row yet are missing from the result. */
export async function lockTenants(
  client: ClientBase,
  tenantIds: readonly string[],
): Promise<readonly LockedTenant[]> {
  const result = await client.query<LockedTenant>({
    name: 'lock-tenants',
    text,
    values: [tenantIds],
  });
  return result.rows;
}
