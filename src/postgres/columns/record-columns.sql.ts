import type { WithTenant } from '../../domain/decide/tenant-plan.ts';
import type { RecordState, StoredRecord } from '../../domain/record.ts';
import { bool, int4, int8, json, text, timestamptz } from '../client/binary-array.ts';
import { selectList } from '../client/expressions.sql.ts';
import { column, type ColumnsOf, type ReadTuple } from '../client/row-set.ts';

/** A row of `records`. A record whose tombstone was purged stands in `purged_records`. */
type RecordStateRow = WithTenant<Omit<RecordState, 'purged'>>;

/** The columns of `records`. Inserts and reads take the names and types from this map. */
export const recordColumns = {
  tenant_id: column(text, (record) => record.tenantId),
  entity_type: column(text, (record) => record.entityType),
  entity_id: column(text, (record) => record.entityId),
  version: column(int8, (record) => record.version),
  deleted: column(bool, (record) => record.deleted),
  data: column(json, (record) => record.data),
  data_version: column(int4, (record) => record.dataVersion),
  clock: column(json, (record) => JSON.stringify(record.clock)),
  sequence: column(int8, (record) => record.sequence),
  origin_key: column(text, (record) => record.originKey),
  origin_kind: column(text, (record) => record.originKind),
  origin_device: column(text, (record) => record.originDevice),
  origin_at: column(timestamptz, (record) => record.originAt),
  created_at: column(timestamptz, (record) => record.createdAt),
  updated_at: column(timestamptz, (record) => record.updatedAt),
} satisfies ColumnsOf<RecordStateRow>;

type RecordColumn = keyof typeof recordColumns;

const names = Object.keys(recordColumns) as RecordColumn[];

/** The primary key of `records` and of `purged_records`. */
const keyColumns: readonly RecordColumn[] = ['tenant_id', 'entity_type', 'entity_id'];

/** What an upsert of a record replaces: not the key, and not the time of the first version. */
export const replacedColumns = without(names, [...keyColumns, 'created_at']);

/** What is read in place of the columns that `purged_records` does not have. */
const purgedPlaceholders: Partial<Record<RecordColumn, string>> = {
  deleted: 'true',
  data: 'NULL::json',
  data_version: '1',
};

export const purgedColumns = without(names, Object.keys(purgedPlaceholders));
export const replacedPurgedColumns = without(purgedColumns, keyColumns);

/** The select list that makes a row of `purged_records` look like one of `records`. */
export const purgedAsRecordList = [
  '*',
  ...Object.entries(purgedPlaceholders).map(([name, value]) => `${value} AS ${name}`),
].join(', ');

/** The SET list of an upsert. */
export function assignExcluded(columns: readonly string[]): string {
  return columns.map((name) => `${name} = excluded.${name}`).join(', ');
}

function without(
  all: readonly RecordColumn[],
  excluded: readonly string[],
): readonly RecordColumn[] {
  return all.filter((name) => !excluded.includes(name));
}

const readColumns = [
  'entity_type',
  'entity_id',
  'version',
  'deleted',
  'data',
  'data_version',
  'origin_key',
  'origin_kind',
  'origin_device',
  'origin_at',
  'created_at',
  'updated_at',
] as const satisfies readonly RecordColumn[];

/** The select list of a RecordRow. @param table the name or alias of `records` */
export function recordList(table: string): string {
  return selectList(recordColumns, readColumns, table);
}

/** The same columns in a row that holds no record. */
export const noRecordList = readColumns.map((name) => `NULL AS ${name}`).join(', ');

/** The beginning of a row that was read as an array, which takes less time than an object of named columns. */
export type RecordRow = ReadTuple<typeof recordColumns, typeof readColumns>;

export function recordFromRow(row: readonly [...RecordRow, ...unknown[]]): StoredRecord {
  return {
    entityType: row[0],
    entityId: row[1],
    version: row[2],
    deleted: row[3],
    data: row[4],
    dataVersion: row[5],
    originKey: row[6],
    originKind: row[7],
    originDevice: row[8],
    originAt: row[9],
    createdAt: row[10],
    updatedAt: row[11],
  };
}
