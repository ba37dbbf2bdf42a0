import { startWorkBudget, WorkLimitError } from '../../scheduling/work-budget.ts';
import type { EntityRef, RecordState } from '../../domain/record.ts';
import type { WithTenant } from '../../domain/decide/tenant-plan.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { text } from '../client/binary-array.ts';
import { recordColumns, type RecordRow, recordFromRow } from '../record-row.sql.ts';
import { column, defineRowSet } from '../client/row-set.ts';

const wanted = defineRowSet<WithTenant<EntityRef>>({
  tenant_id: column(text, ({ tenantId }) => tenantId),
  entity_type: column(text, ({ entityType }) => entityType),
  entity_id: column(text, ({ entityId }) => entityId),
});

/** LIMIT lets each look-up only be a probe, whatever the tables held when the plan was made. */
const loadText = (columns: string, table: string) => `
SELECT ${recordColumns('record')}, record.tenant_id, record.clock, record.sequence
FROM ${wanted.unnest('wanted')}
CROSS JOIN LATERAL (
  SELECT ${columns}
  FROM ${table}
  WHERE tenant_id = wanted.tenant_id
    AND entity_type = wanted.entity_type
    AND entity_id = wanted.entity_id
  LIMIT 1
) AS record`;

const keptText = loadText('*', 'records');
const purgedText = loadText(
  '*, true AS deleted, NULL::json AS data, 1 AS data_version',
  'purged_records',
);
/**
 * Characters of data and clocks that one transaction may load: as much as eight bodies of the largest
 * size. Each is parsed, and a batch can name 500 records of 130,000.
 */
const maxLength = 33_554_432;

type Row = [...RecordRow, tenantId: string, clock: string, sequence: number | null];

/** Those of the entities that have a record, each with its tenant. */
export function loadRecords(
  sender: StatementSender,
  entities: readonly WithTenant<EntityRef>[],
): Promise<readonly WithTenant<RecordState>[]> {
  return load(sender, 'load-records', keptText, entities);
}

/** What remains of those whose tombstones were purged: deleted, and without data. */
export async function loadPurgedRecords(
  sender: StatementSender,
  entities: readonly WithTenant<EntityRef>[],
): Promise<readonly WithTenant<RecordState>[]> {
  const records = await load(sender, 'load-purged-records', purgedText, entities);
  return records.map((record) => ({ ...record, purged: 'hidden' }));
}

async function load(
  sender: StatementSender,
  name: string,
  queryText: string,
  entities: readonly WithTenant<EntityRef>[],
): Promise<readonly WithTenant<RecordState>[]> {
  const { rows } = await sender.query<Row>({
    name,
    text: queryText,
    values: wanted.values(entities),
    rowMode: 'array',
  });
  const pace = startWorkBudget();
  const records: WithTenant<RecordState>[] = [];
  let length = 0;
  for (const row of rows) {
    const stored = recordFromRow(row);
    const clock = row[13];
    length += clock.length + (stored.data?.length ?? 0);
    if (length > maxLength)
      throw new WorkLimitError(`more than ${maxLength} characters of records`);
    records.push({ ...stored, tenantId: row[12], clock: JSON.parse(clock), sequence: row[14] });
    if (pace.shouldYield()) await pace.yieldToOthers();
  }
  return records;
}
