import type { QueryConfig } from 'pg';
import type { StoredEffect, StoredEvent } from '../../domain/event.ts';
import type { RecordState } from '../../domain/record.ts';
import { int4, int8, text, tid } from '../client/binary-array.ts';
import { column, defineRowSet, type OfTenant, type TenantColumnsFor } from '../client/row-set.ts';
import { defineTenantRowSet, inBothForms, type TenantForm } from '../client/tenant-rows.sql.ts';
import { eventColumns } from '../columns/event-columns.sql.ts';
import { recordColumns, replacedColumns } from '../columns/record-columns.sql.ts';

// These statements are sent under the locks of the tenants' rows.

const events = defineTenantRowSet<OfTenant<StoredEvent>>(eventColumns);

export const insertEventsText = events.insertInto('events');

/** The constraint that is violated by an event whose key is stored already. */
export const identityKeyConstraint = 'events_tenant_no_key_hash_key';

/** Appends events to the log. It fails for a key that is stored already. */
export function insertEvents(
  rows: readonly OfTenant<StoredEvent>[],
  form: TenantForm,
): QueryConfig {
  return { name: 'insert-events', text: insertEventsText[form], values: events.values(rows) };
}

const records = defineTenantRowSet<OfTenant<RecordState>>(recordColumns);

export const insertRecordsText = records.insertInto('records');

/** Stores records of entities that have none. */
export function insertRecords(
  rows: readonly OfTenant<RecordState>[],
  form: TenantForm,
): QueryConfig {
  return { name: 'insert-records', text: insertRecordsText[form], values: records.values(rows) };
}

/** A record, and where the row that it replaces was loaded from. */
export interface ReplacedRecord extends OfTenant<RecordState> {
  /** As PostgreSQL prints a `ctid`. */
  readonly place: string;
}

const ofReplaced = {
  place: column(tid, ({ place }: ReplacedRecord) => place),
  tenant_no: recordColumns.tenant_no,
  ...Object.fromEntries(replacedColumns.map((name) => [name, recordColumns[name]])),
};
const { entity_type, entity_id } = recordColumns;
const replacedRecords = {
  many: defineTenantRowSet<ReplacedRecord>(ofReplaced),
  one: defineTenantRowSet<ReplacedRecord>({ ...ofReplaced, entity_type, entity_id }),
};
const sameEntity = {
  many: '',
  one: `
    AND record.entity_type = changed.entity_type
    AND record.entity_id = changed.entity_id`,
};

/**
 * A row is found by its place: its index entries are not searched again. COMMIT is sent before the answer is known, so
 * the statement itself has to fail where a row was deleted since it was loaded: it then divides by zero. A distributed
 * database may move the rows to another node in between, where another record can have the place.
 */
export const updateRecordsText = inBothForms(
  (form) => `
WITH replaced AS (
  UPDATE records AS record
  SET ${replacedColumns.map((name) => `${name} = changed.${name}`).join(', ')}
  FROM ${replacedRecords[form].unnest('changed')}
  WHERE record.ctid = changed.place
    AND record.tenant_no = ${replacedRecords[form].tenant(form, 'changed')}${sameEntity[form]}
  RETURNING 1
)
SELECT 1 / (count(*) = $${replacedRecords[form].size + 1}::bigint)::int
FROM replaced`,
);

/**
 * From here on the transaction finds rows by their places alone. On a table that is small or was never analysed, the plan
 * of the update would else read all records of the tenants, and stay with the connection.
 */
export const findByPlaceOnly: QueryConfig = {
  name: 'find-by-place-only',
  text: 'SET LOCAL enable_indexscan = off',
};

/** The SQLSTATE of a replacement of a row that is gone. */
export const rowGoneState = '22012';

/** Replaces records that were loaded in this transaction. It fails where the row of one is gone. Send it after `findByPlaceOnly`. */
export function updateRecords(rows: readonly ReplacedRecord[], form: TenantForm): QueryConfig {
  const values = [...replacedRecords[form].values(rows), rows.length];
  return { name: 'update-records', text: updateRecordsText[form], values };
}

const effects = defineTenantRowSet<OfTenant<StoredEffect>>({
  version: column(int8, ({ row }) => row.version),
  previous_version: column(int8, ({ row }) => row.previousVersion),
  record_before: column(int8, ({ row }) => row.recordBefore),
  record_after: column(int8, ({ row }) => row.recordAfter),
  tenant_no: column(int4, ({ tenantNo }) => tenantNo),
  entity_type: column(text, ({ row }) => row.entityType),
  entity_id: column(text, ({ row }) => row.entityId),
} satisfies TenantColumnsFor<StoredEffect, StoredEffect>);

const insertEffectsText = effects.insertInto('effects');

/** Stores which entities events have touched beside those that their records lead to. */
export function insertEffects(
  rows: readonly OfTenant<StoredEffect>[],
  form: TenantForm,
): QueryConfig {
  return { name: 'insert-effects', text: insertEffectsText[form], values: effects.values(rows) };
}

const conflicts = defineTenantRowSet<OfTenant<StoredEvent>>({
  version: eventColumns.version,
  tenant_no: eventColumns.tenant_no,
  entity_type: eventColumns.entity_type,
  entity_id: eventColumns.entity_id,
});

const insertConflictsText = conflicts.insertInto('conflicts');

/** Opens a conflict for each of these events. A person resolves it later. */
export function insertConflicts(
  rows: readonly OfTenant<StoredEvent>[],
  form: TenantForm,
): QueryConfig {
  return {
    name: 'insert-conflicts',
    text: insertConflictsText[form],
    values: conflicts.values(rows),
  };
}

const resolutions = defineRowSet<OfTenant<StoredEvent>>({
  tenant_no: eventColumns.tenant_no,
  version: column(int8, ({ row }) => row.resolves?.version),
  resolution: column(text, ({ row }) => row.resolves?.resolution),
  resolved_version: column(int8, ({ row }) => row.version),
});

/**
 * The arrays are conditions too: a join alone that was planned while there were no conflicts would read all of
 * them.
 */
const resolveConflictsText = `
UPDATE conflicts AS conflict
SET resolution = resolved.resolution, resolved_version = resolved.resolved_version
FROM ${resolutions.unnest('resolved')}
WHERE conflict.tenant_no = resolved.tenant_no
  AND conflict.version = resolved.version
  AND conflict.tenant_no = ANY($1::int[])
  AND conflict.version = ANY($2::int8[])`;

/** Closes the conflicts that these events resolve. */
export function resolveConflicts(rows: readonly OfTenant<StoredEvent>[]): QueryConfig {
  return {
    name: 'resolve-conflicts',
    text: resolveConflictsText,
    values: resolutions.values(rows),
  };
}
