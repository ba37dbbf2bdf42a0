import type { StoredRecord } from '../domain/record.ts';
import { micros } from './client/micros.sql.ts';

/** A record's columns, as RecordRow has them. @param alias of the table records */
export function recordColumns(alias: string): string {
  const time = (column: string) => `${micros(`${alias}.${column}`)} AS ${column}`;
  return `${alias}.entity_type, ${alias}.entity_id, ${alias}.version, ${alias}.deleted,
       ${alias}.data, ${alias}.origin_key, ${alias}.origin_kind, ${alias}.origin_device,
       ${time('origin_at')}, ${time('created_at')}, ${time('updated_at')}, ${alias}.data_version`;
}

/** How a row begins that was read as an array: in less time than an object with a name for each column. */
export type RecordRow = [
  entityType: string,
  entityId: string,
  version: number,
  deleted: boolean,
  data: string | null,
  originKey: string,
  originKind: string,
  originDevice: string | null,
  originAt: number,
  createdAt: number,
  updatedAt: number,
  dataVersion: number,
];

export function recordFromRow(row: readonly [...RecordRow, ...unknown[]]): StoredRecord {
  return {
    entityType: row[0],
    entityId: row[1],
    version: row[2],
    deleted: row[3],
    data: row[4],
    originKey: row[5],
    originKind: row[6],
    originDevice: row[7],
    originAt: row[8],
    createdAt: row[9],
    updatedAt: row[10],
    dataVersion: row[11],
  };
}
