import type { RecordClock, RecordState, StoredRecord } from '../../domain/record.ts';
import { bool, int4, int8, json, text, timestamptz } from '../client/binary-array.ts';
import { selectList } from '../client/expressions.sql.ts';
import { column, type OfTenant, type ReadTuple, type TenantColumnsFor } from '../client/row-set.ts';

/** What `records` has a column for. A record whose tombstone was purged stands in `purged_records`. */
type RecordMembers = Omit<RecordState, 'purged'>;

type Row = OfTenant<RecordState>;

/** The columns of `records`. Inserts and reads take the names and types from this map. */
export const recordColumns = {
  version: column(int8, ({ row }: Row) => row.version),
  last_event: column(int8, ({ row }: Row) => row.lastEvent),
  origin_at: column(timestamptz, ({ row }: Row) => row.originAt),
  created_at: column(timestamptz, ({ row }: Row) => row.createdAt),
  updated_at: column(timestamptz, ({ row }: Row) => row.updatedAt),
  sequence: column(int8, ({ row }: Row) => row.sequence),
  tenant_no: column(int4, ({ tenantNo }: Row) => tenantNo),
  data_version: column(int4, ({ row }: Row) => row.dataVersion),
  deleted: column(bool, ({ row }: Row) => row.deleted),
  entity_type: column(text, ({ row }: Row) => row.entityType),
  entity_id: column(text, ({ row }: Row) => row.entityId),
  origin_key: column(text, ({ row }: Row) => row.originKey),
  origin_kind: column(text, ({ row }: Row) => row.originKind),
  origin_device: column(text, ({ row }: Row) => row.originDevice),
  clock: column(json, ({ row }: Row) => printClock(row)),
  data: column(json, ({ row }: Row) => row.data),
} satisfies TenantColumnsFor<RecordMembers, RecordState>;

/** Null for a clock that the origin says already: only the put that made this version counts. */
function printClock({ clock, originAt, originKey }: RecordState): string | null {
  const { put, remove, fields, devices } = clock;
  const isOfOrigin =
    put !== undefined && put[0] === originAt && put[1] === originKey && put[2] === undefined;
  const isAlone = remove === undefined && fields === undefined && devices === undefined;
  return isOfOrigin && isAlone ? null : JSON.stringify(clock);
}

/** @param stored the column `clock` */
export function readClock(
  stored: string | null,
  { originAt, originKey }: Pick<StoredRecord, 'originAt' | 'originKey'>,
): RecordClock {
  return stored === null ? { put: [originAt, originKey] } : JSON.parse(stored);
}

type RecordColumn = keyof typeof recordColumns;

const names = Object.keys(recordColumns) as RecordColumn[];

/** The primary key of `records` and of `purged_records`. */
const keyColumns: readonly RecordColumn[] = ['tenant_no', 'entity_type', 'entity_id'];

/** What an update of a record replaces: not the key, and not the time of the first version. */
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
