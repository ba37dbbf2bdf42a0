import type { QueryConfig } from 'pg';
import type { StoredEvent } from '../../domain/stored-event.ts';
import type { WithTenant } from '../../domain/decide/tenant-plan.ts';
import { int8, text } from '../client/binary-array.ts';
import { column, defineRowSet } from '../client/row-set.ts';

const conflicts = defineRowSet<WithTenant<StoredEvent>>({
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
export function insertConflicts(rows: readonly WithTenant<StoredEvent>[]): QueryConfig {
  return { name: 'insert-conflicts', text: insertText, values: conflicts.values(rows) };
}
