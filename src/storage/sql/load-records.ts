import type { EntityRef } from '../../protocol/record.ts';
import type { OfTenant, RecordState } from '../store.ts';
import type { Sender } from '../trip.ts';
import { text } from './binary-array.ts';
import { recordColumns, type RecordRow, toStoredRecord } from './record-row.ts';
import { column, defineRowSet } from './row-set.ts';

const wanted = defineRowSet<OfTenant<EntityRef>>({
  tenant_id: column(text, ({ tenantId }) => tenantId),
  entity_type: column(text, ({ entityType }) => entityType),
  entity_id: column(text, ({ entityId }) => entityId),
});

const keptText = `
SELECT ${recordColumns('record')}, record.tenant_id, record.clock, record.sequence
FROM ${wanted.unnest('wanted')}
JOIN records AS record
  ON record.tenant_id = wanted.tenant_id
 AND record.entity_type = wanted.entity_type
 AND record.entity_id = wanted.entity_id`;

const purgedText = `
SELECT ${recordColumns('record')}, record.tenant_id, record.clock, record.sequence
FROM ${wanted.unnest('wanted')}
JOIN (SELECT *, true AS deleted, NULL::json AS data, 1 AS data_version FROM purged_records) AS record
  ON record.tenant_id = wanted.tenant_id
 AND record.entity_type = wanted.entity_type
 AND record.entity_id = wanted.entity_id`;

type Row = [...RecordRow, tenantId: string, clock: string, sequence: number | null];

/** Those of the entities that have a record, each with its tenant. */
export function loadRecords(
  sender: Sender,
  entities: readonly OfTenant<EntityRef>[],
): Promise<readonly OfTenant<RecordState>[]> {
  return load(sender, 'load-records', keptText, entities);
}

/** What remains of those whose tombstones were purged: deleted, and without data. */
export async function loadPurgedRecords(
  sender: Sender,
  entities: readonly OfTenant<EntityRef>[],
): Promise<readonly OfTenant<RecordState>[]> {
  const records = await load(sender, 'load-purged-records', purgedText, entities);
  return records.map((record) => ({ ...record, purged: 'hidden' }));
}

async function load(
  sender: Sender,
  name: string,
  loadText: string,
  entities: readonly OfTenant<EntityRef>[],
): Promise<readonly OfTenant<RecordState>[]> {
  const { rows } = await sender.query<Row>({
    name,
    text: loadText,
    values: wanted.values(entities),
    rowMode: 'array',
  });
  return rows.map((row) => ({
    ...toStoredRecord(row),
    tenantId: row[12],
    clock: JSON.parse(row[13]),
    sequence: row[14],
  }));
}
