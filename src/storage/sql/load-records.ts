import type { ClientBase } from 'pg';
import type { EntityRef } from '../../protocol/record.ts';
import type { OfTenant, RecordState } from '../store.ts';
import { text } from './binary-array.ts';
import { recordColumns, type RecordRow, toStoredRecord } from './record-row.ts';
import { column, defineRowSet } from './row-set.ts';

const wanted = defineRowSet<OfTenant<EntityRef>>({
  tenant_id: column(text, ({ tenantId }) => tenantId),
  entity_type: column(text, ({ entityType }) => entityType),
  entity_id: column(text, ({ entityId }) => entityId),
});

const keptText = `
SELECT record.tenant_id, ${recordColumns('record')}, record.clock, record.sequence
FROM ${wanted.unnest('wanted')}
JOIN records AS record
  ON record.tenant_id = wanted.tenant_id
 AND record.entity_type = wanted.entity_type
 AND record.entity_id = wanted.entity_id`;

const purgedText = `
SELECT record.tenant_id, ${recordColumns('record')}, record.clock, record.sequence
FROM ${wanted.unnest('wanted')}
JOIN (SELECT *, true AS deleted, NULL::json AS data FROM purged_records) AS record
  ON record.tenant_id = wanted.tenant_id
 AND record.entity_type = wanted.entity_type
 AND record.entity_id = wanted.entity_id`;

interface Row extends RecordRow {
  readonly tenant_id: string;
  readonly clock: string;
  readonly sequence: number | null;
}

/** Those of the entities that have a record, each with its tenant. */
export function loadRecords(
  client: ClientBase,
  entities: readonly OfTenant<EntityRef>[],
): Promise<readonly OfTenant<RecordState>[]> {
  return load(client, 'load-records', keptText, entities);
}

/** What remains of those whose tombstones were purged: deleted, and without data. */
export async function loadPurgedRecords(
  client: ClientBase,
  entities: readonly OfTenant<EntityRef>[],
): Promise<readonly OfTenant<RecordState>[]> {
  const records = await load(client, 'load-purged-records', purgedText, entities);
  return records.map((record) => ({ ...record, purged: 'hidden' }));
}

async function load(
  client: ClientBase,
  name: string,
  loadText: string,
  entities: readonly OfTenant<EntityRef>[],
): Promise<readonly OfTenant<RecordState>[]> {
  const { rows } = await client.query<Row>({
    name,
    text: loadText,
    values: wanted.values(entities),
  });
  return rows.map((row) => ({
    ...toStoredRecord(row),
    tenantId: row.tenant_id,
    clock: JSON.parse(row.clock),
    sequence: row.sequence,
  }));
}
