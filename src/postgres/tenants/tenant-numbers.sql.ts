import type { StatementSender } from '../client/pipeline.ts';

const findText = `
SELECT id, no
FROM tenant_numbers
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

/**
 * In id order: two transactions that insert the same tenants wait for each other instead of deadlocking. A tenant that has
 * a number has its row too, because both are inserted and deleted together. The second ON CONFLICT is only for a
 * distributed database, which would else copy the rows in, and row level security refuses that.
 */
const insertText = `
WITH numbered AS (
  INSERT INTO tenant_numbers (id)
  SELECT id FROM unnest($1::text[]) AS wanted (id)
  ORDER BY id
  ON CONFLICT (id) DO NOTHING
  RETURNING no, id
)
INSERT INTO tenants (no, id)
SELECT no, id
FROM numbered
ON CONFLICT (no) DO NOTHING`;

/** Gives numbers to the tenants that have none. Each attempt uses up a number, also for a tenant that has one. */
export async function insertTenants(
  sender: StatementSender,
  ids: readonly string[],
): Promise<void> {
  await sender.query({ name: 'insert-tenants', text: insertText, values: [ids] });
}
