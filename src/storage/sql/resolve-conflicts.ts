import type { QueryConfig } from 'pg';
import type { EventRow, OfTenant } from '../store.ts';
import { int8, text } from './binary-array.ts';
import { column, defineRowSet } from './row-set.ts';

const resolved = defineRowSet<OfTenant<EventRow>>({
  tenant_id: column(text, (event) => event.tenantId),
  version: column(int8, (event) => event.resolves?.version),
  resolution: column(text, (event) => event.resolves?.resolution),
  resolved_version: column(int8, (event) => event.version),
});

/**
 * The rows are looked up first, each by a probe, and then found by where they are: joined, all conflicts
 * might be read to find these. Under their tenants' locks nothing moves them.
 */
const updateText = `
UPDATE conflicts AS conflict
SET resolution = resolved.resolution, resolved_version = resolved.resolved_version
FROM ${resolved.unnest('resolved')}
WHERE conflict.tenant_id = resolved.tenant_id
  AND conflict.version = resolved.version
  AND conflict.ctid = ANY(ARRAY(
    SELECT (
      SELECT ctid
      FROM conflicts
      WHERE tenant_id = wanted.tenant_id AND version = wanted.version
      LIMIT 1
    )
    FROM ${resolved.unnest('wanted')}))`;

/** Closes the conflicts that these events resolve. */
export function resolveConflicts(rows: readonly OfTenant<EventRow>[]): QueryConfig {
  return { name: 'resolve-conflicts', text: updateText, values: resolved.values(rows) };
}
