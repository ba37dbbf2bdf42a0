import type { QueryConfig } from 'pg';
import type { WithTenant } from '../../domain/decide/tenant-plan.ts';
import type { RecordState } from '../../domain/record.ts';
import type { StoredEffect, StoredEvent } from '../../domain/event.ts';
import { int8, text } from '../client/binary-array.ts';
import { column, type ColumnsOf, defineRowSet } from '../client/row-set.ts';
import { eventColumns } from '../columns/event-columns.sql.ts';
import { assignExcluded, recordColumns, replacedColumns } from '../columns/record-columns.sql.ts';

// These statements are sent under the locks of the tenants' rows.

const events = defineRowSet<WithTenant<StoredEvent>>(eventColumns);

export const insertEventsText = `
INSERT INTO events (${events.columns})
SELECT ${events.columns}
FROM ${events.unnest('event')}`;

/** Appends events to the log. */
export function insertEvents(rows: readonly WithTenant<StoredEvent>[]): QueryConfig {
  return { name: 'insert-events', text: insertEventsText, values: events.values(rows) };
}

const records = defineRowSet<WithTenant<RecordState>>(recordColumns);

export const upsertRecordsText = `
INSERT INTO records (${records.columns})
SELECT ${records.columns}
FROM ${records.unnest('changed')}
ON CONFLICT (tenant_id, entity_type, entity_id) DO UPDATE SET
  ${assignExcluded(replacedColumns)}`;

/** Stores whole records, each entity at most once. */
export function upsertRecords(rows: readonly WithTenant<RecordState>[]): QueryConfig {
  return { name: 'upsert-records', text: upsertRecordsText, values: records.values(rows) };
}

const effects = defineRowSet<WithTenant<StoredEffect>>({
  tenant_id: column(text, (effect) => effect.tenantId),
  entity_type: column(text, (effect) => effect.entityType),
  entity_id: column(text, (effect) => effect.entityId),
  version: column(int8, (effect) => effect.version),
  record_before: column(int8, (effect) => effect.recordBefore),
  record_after: column(int8, (effect) => effect.recordAfter),
} satisfies ColumnsOf<WithTenant<StoredEffect>>);

const insertEffectsText = `
INSERT INTO effects (${effects.columns})
SELECT ${effects.columns}
FROM ${effects.unnest('effect')}`;

/** Stores which records beside its own an event wrote. */
export function insertEffects(rows: readonly WithTenant<StoredEffect>[]): QueryConfig {
  return { name: 'insert-effects', text: insertEffectsText, values: effects.values(rows) };
}

const conflicts = defineRowSet<WithTenant<StoredEvent>>({
  tenant_id: eventColumns.tenant_id,
  version: eventColumns.version,
  entity_type: eventColumns.entity_type,
  entity_id: eventColumns.entity_id,
});

const insertConflictsText = `
INSERT INTO conflicts (${conflicts.columns})
SELECT ${conflicts.columns}
FROM ${conflicts.unnest('conflict')}`;

/** Opens a conflict for each of these events. A person resolves it later. */
export function insertConflicts(rows: readonly WithTenant<StoredEvent>[]): QueryConfig {
  return { name: 'insert-conflicts', text: insertConflictsText, values: conflicts.values(rows) };
}

const resolutions = defineRowSet<WithTenant<StoredEvent>>({
  tenant_id: column(text, (event) => event.tenantId),
  version: column(int8, (event) => event.resolves?.version),
  resolution: column(text, (event) => event.resolves?.resolution),
  resolved_version: column(int8, (event) => event.version),
});

/**
 * The arrays are conditions too: a join alone that was planned while there were no conflicts would read all of
 * them.
 */
const resolveConflictsText = `
UPDATE conflicts AS conflict
SET resolution = resolved.resolution, resolved_version = resolved.resolved_version
FROM ${resolutions.unnest('resolved')}
WHERE conflict.tenant_id = resolved.tenant_id
  AND conflict.version = resolved.version
  AND conflict.tenant_id = ANY($1::text[])
  AND conflict.version = ANY($2::int8[])`;

/** Closes the conflicts that these events resolve. */
export function resolveConflicts(rows: readonly WithTenant<StoredEvent>[]): QueryConfig {
  return {
    name: 'resolve-conflicts',
    text: resolveConflictsText,
    values: resolutions.values(rows),
  };
}
