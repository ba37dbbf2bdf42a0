/** Runs a statement as a role that sees every tenant. */
export type Query = (text: string, values: readonly unknown[]) => Promise<unknown>;

/** SQL for the rows of the tenant with the id $1. */
export const ofTenant = 'tenant_no = (SELECT no FROM tenants WHERE id = $1)';

/**
 * SQL that inserts tenants as their first push does.
 *
 * @param ids a query that returns their ids
 * @param values what their rows have beside that, as SQL by column
 */
export function insertTenantsText(
  ids: string,
  values: Readonly<Record<string, string>> = {},
): string {
  const columns = ['no', 'id', ...Object.keys(values)].join(', ');
  const selected = ['no', 'id', ...Object.values(values)].join(', ');
  return `WITH numbered AS (INSERT INTO tenant_numbers (id) ${ids} RETURNING no, id)
    INSERT INTO tenants (${columns}) SELECT ${selected} FROM numbered`;
}

/**
 * Makes the tenant's row name the event at its head, as every push does. For tests that change that event.
 */
export async function readHeadAgain(query: Query, tenantId: string): Promise<void> {
  await query(
    `UPDATE tenants
        SET (head_key_hash, head_received_at) = (
          SELECT key_hash, received_at FROM events WHERE tenant_no = no AND version = head)
      WHERE id = $1`,
    [tenantId],
  );
}

/** Makes `version` the tenant's head, with the event there, if there is one. Nothing else changes. */
export async function moveHead(query: Query, tenantId: string, version: number): Promise<void> {
  await query('UPDATE tenants SET head = $2 WHERE id = $1', [tenantId, version]);
  await readHeadAgain(query, tenantId);
}

/**
 * Cuts the tenant's history back to a version, as the restore of an older backup does. Records that a later event has
 * written are gone: nobody knows what they were before.
 */
export async function cutHistory(query: Query, tenantId: string, version: number): Promise<void> {
  const values = [tenantId, version];
  for (const table of ['resends', 'conflicts', 'effects', 'records', 'events']) {
    await query(`DELETE FROM ${table} WHERE ${ofTenant} AND version > $2`, values);
  }
  await query(
    `UPDATE conflicts SET resolution = NULL, resolved_version = NULL
      WHERE ${ofTenant} AND resolved_version > $2`,
    values,
  );
  const lastEvent = `(
    SELECT max(version) FROM events
    WHERE events.tenant_no = records.tenant_no
      AND events.entity_type = records.entity_type AND events.entity_id = records.entity_id)`;
  await query(
    `UPDATE records SET last_event = ${lastEvent} WHERE ${ofTenant} AND last_event > $2`,
    values,
  );
  await moveHead(query, tenantId, version);
}
