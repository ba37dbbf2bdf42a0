import type { StatementSender } from '../client/pipeline.ts';

const findText = `
SELECT id, no
FROM tenants
WHERE id = ANY($1::text[])`;

export interface TenantNumber {
  readonly id: string;
  readonly no: number;
}

/** The numbers of those of the tenants that have a row. */
export async function findTenantNumbers(
  sender: StatementSender,
  ids: readonly string[],
): Promise<readonly TenantNumber[]> {
  const statement = { name: 'find-tenant-numbers', text: findText, values: [ids] };
  const { rows } = await sender.query<TenantNumber & object>(statement);
  return rows;
}

/** In id order: two transactions that insert the same tenants wait for each other instead of deadlocking. */
const insertText = `
INSERT INTO tenants (id)
SELECT id FROM unnest($1::text[]) AS wanted (id)
ORDER BY id
ON CONFLICT (id) DO NOTHING`;

/** Inserts the rows of tenants that have none. Each attempt uses up a number, also for a tenant that is there. */
export async function insertTenants(
  sender: StatementSender,
  ids: readonly string[],
): Promise<void> {
  await sender.query({ name: 'insert-tenants', text: insertText, values: [ids] });
}
