import type { WithTenant } from '../../domain/decide/tenant-plan.ts';
import type { EntityRef, RecordState } from '../../domain/record.ts';
import type { EventBase, KnownEvent } from '../../domain/event.ts';
import { startWorkBudget, WorkLimitError } from '../../scheduling/work-budget.ts';
import { int8, text } from '../client/binary-array.ts';
import { micros } from '../client/expressions.sql.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { column, defineRowSet } from '../client/row-set.ts';
import {
  eventReference,
  knownEventFromRow,
  knownEventList,
  type KnownEventRow,
} from '../columns/event-columns.sql.ts';
import {
  purgedAsRecordList,
  recordFromRow,
  recordList,
  type RecordRow,
} from '../columns/record-columns.sql.ts';

// In each look-up of these statements LIMIT allows no other plan than the probe of an index, whatever the tables held
// when the plan was made.

export interface IdentityKeyOfTenant {
  readonly tenantId: string;
  readonly identityKey: string;
}

const wantedKeys = defineRowSet<IdentityKeyOfTenant>({
  tenant_id: column(text, ({ tenantId }) => tenantId),
  identity_key: column(text, ({ identityKey }) => identityKey),
});

/**
 * The version before is computed in a materialized subquery. Row level security allows no arithmetic on a row in an
 * index condition: without the subquery each look-up would read all events of the tenant.
 */
const loadKnownEventsText = `
WITH event AS MATERIALIZED (
  SELECT event.*
  FROM ${wantedKeys.unnest('wanted')}
  CROSS JOIN LATERAL (
    SELECT ${knownEventList('events')}, version - 1 AS version_before
    FROM events
    WHERE tenant_id = wanted.tenant_id AND identity_key = wanted.identity_key
    LIMIT 1
  ) AS event
)
SELECT ${knownEventList('event')},
       previous.fingerprint AS previous_fingerprint,
       ${micros('previous.received_at')} AS previous_received_at
FROM event
LEFT JOIN LATERAL (
  SELECT fingerprint, received_at
  FROM events
  WHERE tenant_id = event.tenant_id AND version = event.version_before
  LIMIT 1
) AS previous ON true`;

interface KeyRow extends KnownEventRow {
  readonly previous_fingerprint: Buffer | null;
  readonly previous_received_at: number | null;
}

/** The events that are stored under one of the keys. */
export async function loadKnownEvents(
  sender: StatementSender,
  keys: readonly IdentityKeyOfTenant[],
): Promise<readonly WithTenant<KnownEvent>[]> {
  const values = wantedKeys.values(keys);
  const statement = { name: 'load-known-events', text: loadKnownEventsText, values };
  const { rows } = await sender.query<KeyRow>(statement);
  return rows.map((row) =>
    knownEventFromRow(row, eventReference(row.previous_fingerprint, row.previous_received_at)),
  );
}

const wantedVersions = defineRowSet<WithTenant<EventBase>>({
  tenant_id: column(text, ({ tenantId }) => tenantId),
  version: column(int8, ({ version }) => version),
});

const loadBaseEventsText = `
SELECT event.*
FROM ${wantedVersions.unnest('wanted')}
CROSS JOIN LATERAL (
  SELECT ${knownEventList('events')}
  FROM events
  WHERE tenant_id = wanted.tenant_id AND version = wanted.version
  LIMIT 1
) AS event`;

/** The events at the versions that edits name as their bases. Versions without an event are left out. */
export async function loadBaseEvents(
  sender: StatementSender,
  bases: readonly WithTenant<EventBase>[],
): Promise<readonly WithTenant<KnownEvent>[]> {
  const values = wantedVersions.values(bases);
  const statement = { name: 'load-base-events', text: loadBaseEventsText, values };
  const { rows } = await sender.query<KnownEventRow>(statement);
  return rows.map((row) => knownEventFromRow(row, undefined));
}

const wantedEntities = defineRowSet<WithTenant<EntityRef>>({
  tenant_id: column(text, ({ tenantId }) => tenantId),
  entity_type: column(text, ({ entityType }) => entityType),
  entity_id: column(text, ({ entityId }) => entityId),
});

const loadRecordsText = (columns: string, table: string) => `
SELECT ${recordList('record')}, record.tenant_id, record.clock, record.sequence
FROM ${wantedEntities.unnest('wanted')}
CROSS JOIN LATERAL (
  SELECT ${columns}
  FROM ${table}
  WHERE tenant_id = wanted.tenant_id
    AND entity_type = wanted.entity_type
    AND entity_id = wanted.entity_id
  LIMIT 1
) AS record`;

const recordsText = loadRecordsText('*', 'records');
const purgedRecordsText = loadRecordsText(purgedAsRecordList, 'purged_records');

/**
 * The maximum of characters of data and clocks that one transaction may load: as much as eight bodies of the
 * largest size. Each is parsed, and a batch can name 500 records of 130,000 characters.
 */
const maxLength = 33_554_432;

type StateRow = [...RecordRow, tenantId: string, clock: string, sequence: number | null];

/** The records of the entities that have one. @throws WorkLimitError where they are too long */
export function loadRecords(
  sender: StatementSender,
  entities: readonly WithTenant<EntityRef>[],
): Promise<readonly WithTenant<RecordState>[]> {
  return queryRecords(sender, 'load-records', recordsText, entities);
}

/** What remains of records whose tombstones were purged: deleted, and without data. */
export async function loadPurgedRecords(
  sender: StatementSender,
  entities: readonly WithTenant<EntityRef>[],
): Promise<readonly WithTenant<RecordState>[]> {
  const records = await queryRecords(sender, 'load-purged-records', purgedRecordsText, entities);
  return records.map((record) => ({ ...record, purged: 'hidden' }));
}

async function queryRecords(
  sender: StatementSender,
  name: string,
  queryText: string,
  entities: readonly WithTenant<EntityRef>[],
): Promise<readonly WithTenant<RecordState>[]> {
  const values = wantedEntities.values(entities);
  const { rows } = await sender.query<StateRow>({
    name,
    text: queryText,
    values,
    rowMode: 'array',
  });
  const budget = startWorkBudget();
  const records: WithTenant<RecordState>[] = [];
  let length = 0;
  for (const row of rows) {
    const stored = recordFromRow(row);
    const clock = row[13];
    length += clock.length + (stored.data?.length ?? 0);
    if (length > maxLength) {
      throw new WorkLimitError(`more than ${maxLength} characters of records`);
    }
    records.push({ ...stored, tenantId: row[12], clock: JSON.parse(clock), sequence: row[14] });
    if (budget.shouldYield()) await budget.yieldToOthers();
  }
  return records;
}
