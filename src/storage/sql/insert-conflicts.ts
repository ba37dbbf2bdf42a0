import type { QueryConfig } from 'pg';
import type { EventRow, OfTenant } from '../store.ts';
import { int8, text } from './binary-array.ts';
import { column, defineRowSet } from './row-set.ts';

const conflicts = defineRowSet<OfTenant<EventRow>>({
  tenant_id: column(text, (event) => event.tenantId),
  version: column(int8, (event) => event.version),
  entity_type: column(text, (event) => event.entityType),
  entity_id: column(text, (event) => event.entityId),
});

const insertText = `
INSERT INTO conflicts (${conflicts.columns})
SELECT ${conflicts.columns}
FROM ${conflicts.unnest('conflict')}`;

/** Opens a conflict for each of these events, for a person to settle. */
export function insertConflicts(rows: readonly OfTenant<EventRow>[]): QueryConfig {
  return { name: 'insert-conflicts', text: insertText, values: conflicts.values(rows) };
}
