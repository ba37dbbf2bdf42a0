import type { ClientBase } from 'pg';
import type { EventRow, OfTenant } from '../store.ts';

const text = `
UPDATE conflicts AS conflict
SET resolution = resolved.resolution, resolved_version = resolved.resolved_version
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[])
  AS resolved (tenant_id, version, resolution, resolved_version)
WHERE conflict.tenant_id = resolved.tenant_id AND conflict.version = resolved.version`;

/** Closes the conflicts that these events resolve. */
export async function resolveConflicts(
  client: ClientBase,
  events: readonly OfTenant<EventRow>[],
): Promise<void> {
  await client.query({
    name: 'resolve-conflicts',
    text,
    values: [
      events.map((event) => event.tenantId),
      events.map((event) => event.resolves?.version),
      events.map((event) => event.resolves?.resolution),
      events.map((event) => event.version),
    ],
  });
}
