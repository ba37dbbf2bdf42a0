import type { ClientBase } from 'pg';
import type { EventRow, OfTenant } from '../store.ts';

const text = `
INSERT INTO conflicts (tenant_id, version, entity_type, entity_id)
SELECT tenant_id, version, entity_type, entity_id
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[])
  AS conflict (tenant_id, version, entity_type, entity_id)`;

/** Opens a conflict for each of these events, for a person to settle. */
export async function insertConflicts(
  client: ClientBase,
  events: readonly OfTenant<EventRow>[],
): Promise<void> {
  await client.query({
    name: 'insert-conflicts',
    text,
    values: [
      events.map((event) => event.tenantId),
      events.map((event) => event.version),
      events.map((event) => event.entityType),
      events.map((event) => event.entityId),
    ],
  });
}
