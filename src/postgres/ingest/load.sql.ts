import type { EventBase, KnownEvent } from '../../domain/event.ts';
import type { EntityRef, RecordState } from '../../domain/record.ts';
import { startWorkBudget, WorkLimitError } from '../../scheduling/work-budget.ts';
import { hexBytes, int4, int8, text } from '../client/binary-array.ts';
import { micros } from '../client/expressions.sql.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { column, type OfTenant } from '../client/row-set.ts';
import { defineTenantRowSet, inBothForms, type TenantForm } from '../client/tenant-rows.sql.ts';
import {
  eventReference,
  knownEventFromRow,
  knownEventList,
  type KnownEventRow,
} from '../columns/event-columns.sql.ts';
import {
  purgedAsRecordList,
  readClock,
  recordFromRow,
  recordList,
  type RecordRow,
} from '../columns/record-columns.sql.ts';

// In each look-up of these statements LIMIT allows no other plan than the probe of an index, whatever the tables held
// when the plan was made.

const wantedKeys = defineTenantRowSet<OfTenant<string>>({
  tenant_no: column(int4, ({ tenantNo }) => tenantNo),
  key_hash: column(hexBytes, ({ row }) => row),
});

/**
 * The version before is computed in a materialized subquery. Row level security allows no arithmetic on a row in an
 * index condition: without the subquery each look-up would read all events of the tenant.
 */
const loadKnownEventsText = inBothForms(
  (form) => `
WITH event AS MATERIALIZED (
  SELECT event.*
  FROM ${wantedKeys.unnest('wanted')}
  CROSS JOIN LATERAL (
    SELECT ${knownEventList('events')}, version - 1 AS version_before
    FROM events
    WHERE tenant_no = ${wantedKeys.tenant(form, 'wanted')} AND key_hash = wanted.key_hash
    LIMIT 1
  ) AS event
)
SELECT event.*,
       encode(previous.key_hash, 'hex') AS previous_key_hash,
       ${micros('previous.received_at')} AS previous_received_at
FROM event
LEFT JOIN LATERAL (
  SELECT key_hash, received_at
  FROM events
  WHERE tenant_no = ${wantedKeys.tenant(form, 'event')} AND version = event.version_before
  LIMIT 1
) AS previous ON true`,
);

interface KeyRow extends KnownEventRow {
  readonly previous_key_hash: string | null;
  readonly previous_received_at: number | null;
}

/** The events that are stored under one of the keys. @param keys the hashes of the keys */
export async function loadKnownEvents(
  sender: StatementSender,
  keys: readonly OfTenant<string>[],
  form: TenantForm,
): Promise<readonly OfTenant<KnownEvent>[]> {
  const values = wantedKeys.values(keys);
  const statement = { name: 'load-known-events', text: loadKnownEventsText[form], values };
  const { rows } = await sender.query<KeyRow>(statement);
  return rows.map((row) => {
    const previous = eventReference(row.previous_key_hash, row.previous_received_at);
    return { tenantNo: row.tenant_no, row: knownEventFromRow(row, previous) };
  });
}

const wantedVersions = defineTenantRowSet<OfTenant<EventBase>>({
  tenant_no: column(int4, ({ tenantNo }) => tenantNo),
  version: column(int8, ({ row }) => row.version),
});

const loadBaseEventsText = inBothForms(
  (form) => `
SELECT event.*
FROM ${wantedVersions.unnest('wanted')}
CROSS JOIN LATERAL (
  SELECT ${knownEventList('events')}
  FROM events
  WHERE tenant_no = ${wantedVersions.tenant(form, 'wanted')} AND version = wanted.version
  LIMIT 1
) AS event`,
);

/** The events at the versions that edits name as their bases. Versions without an event are left out. */
export async function loadBaseEvents(
  sender: StatementSender,
  bases: readonly OfTenant<EventBase>[],
  form: TenantForm,
): Promise<readonly OfTenant<KnownEvent>[]> {
  const values = wantedVersions.values(bases);
  const statement = { name: 'load-base-events', text: loadBaseEventsText[form], values };
  const { rows } = await sender.query<KnownEventRow>(statement);
  return rows.map((row) => ({
    tenantNo: row.tenant_no,
    row: knownEventFromRow(row, undefined),
  }));
}

const wantedEntities = defineTenantRowSet<OfTenant<EntityRef>>({
  tenant_no: column(int4, ({ tenantNo }) => tenantNo),
  entity_type: column(text, ({ row }) => row.entityType),
  entity_id: column(text, ({ row }) => row.entityId),
});

const loadRecordsText = (columns: string, table: string) =>
  inBothForms(
    (form) => `
SELECT ${recordList('record')}, record.tenant_no, record.clock, record.sequence, record.last_event, record.place
FROM ${wantedEntities.unnest('wanted')}
CROSS JOIN LATERAL (
  SELECT ${columns}
  FROM ${table}
  WHERE tenant_no = ${wantedEntities.tenant(form, 'wanted')}
    AND entity_type = wanted.entity_type
    AND entity_id = wanted.entity_id
  LIMIT 1
) AS record`,
  );

const recordsText = loadRecordsText('*, ctid AS place', 'records');
const purgedRecordsText = loadRecordsText(`${purgedAsRecordList}, NULL AS place`, 'purged_records');

/**
 * The maximum of characters of data and clocks that one transaction may load: as much as eight bodies of the
 * largest size. Each is parsed, and a batch can name 500 records of 130,000 characters.
 */
const maxLength = 33_554_432;

type StateRow = [
  ...RecordRow,
  tenantNo: number,
  clock: string | null,
  sequence: number | null,
  lastEvent: number | null,
  place: string | null,
];

/** A record with the place of its row. */
export interface LoadedRecord extends OfTenant<RecordState> {
  /** As PostgreSQL prints a `ctid`; null for a row of `purged_records`. */
  readonly place: string | null;
}

/** The records of the entities that have one. @throws WorkLimitError where they are too long */
export function loadRecords(
  sender: StatementSender,
  entities: readonly OfTenant<EntityRef>[],
  form: TenantForm,
): Promise<readonly LoadedRecord[]> {
  return queryRecords(sender, 'load-records', recordsText[form], entities);
}

/** What remains of records whose tombstones were purged: deleted, and without data. */
export async function loadPurgedRecords(
  sender: StatementSender,
  entities: readonly OfTenant<EntityRef>[],
  form: TenantForm,
): Promise<readonly LoadedRecord[]> {
  const purgedText = purgedRecordsText[form];
  const records = await queryRecords(sender, 'load-purged-records', purgedText, entities);
  return records.map((record) => ({ ...record, row: { ...record.row, purged: 'hidden' } }));
}

async function queryRecords(
  sender: StatementSender,
  name: string,
  queryText: string,
  entities: readonly OfTenant<EntityRef>[],
): Promise<readonly LoadedRecord[]> {
  const values = wantedEntities.values(entities);
  const { rows } = await sender.query<StateRow>({
    name,
    text: queryText,
    values,
    rowMode: 'array',
  });
  const budget = startWorkBudget();
  const records: LoadedRecord[] = [];
  let length = 0;
  for (const row of rows) {
    const stored = recordFromRow(row);
    const clock = row[13];
    length += (clock?.length ?? 0) + (stored.data?.length ?? 0);
    if (length > maxLength) {
      throw new WorkLimitError(`more than ${maxLength} characters of records`);
    }
    const state = {
      ...stored,
      clock: readClock(clock, stored),
      sequence: row[14],
      lastEvent: row[15],
    };
    records.push({ tenantNo: row[12], row: state, place: row[16] });
    if (budget.shouldYield()) await budget.yieldToOthers();
  }
  return records;
}
