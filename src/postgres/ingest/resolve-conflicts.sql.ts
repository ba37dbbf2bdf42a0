import type { QueryConfig } from 'pg';
import type { StoredEvent } from '../../domain/stored-event.ts';
import type { WithTenant } from '../../domain/decide/tenant-plan.ts';
import { int8, text } from '../client/binary-array.ts';
import { column, defineRowSet } from '../client/row-set.ts';

const resolved = defineRowSet<WithTenant<StoredEvent>>({
  tenant_id: column(text, (event) => event.tenantId),
  version: column(int8, (event) => event.resolves?.version),
  resolution: column(text, (event) => event.resolves?.resolution),
  resolved_version: column(int8, (event) => event.version),
});

/**
 * The arrays stand in conditions too: planned while there were no conflicts, the join would read all of
 * them to find these.
 */
const updateText = `
UPDATE conflicts AS conflict
SET resolution = resolved.resolution, resolved_version = resolved.resolved_version
FROM ${resolved.unnest('resolved')}
WHERE conflict.tenant_id = resolved.tenant_id
  AND conflict.version = resolved.version
  AND conflict.tenant_id = ANY($1::text[])
  AND conflict.version = ANY($2::int8[])`;

/** Closes the conflicts that these events resolve. */
export function resolveConflicts(rows: readonly WithTenant<StoredEvent>[]): QueryConfig {
  return { name: 'resolve-conflicts', text: updateText, values: resolved.values(rows) };
}
