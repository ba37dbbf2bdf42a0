import type { StoredRecord } from '../../protocol/record.ts';
import { micros } from './micros.ts';

/** A record's columns under the names of RecordRow. @param alias of the table records */
export function recordColumns(alias: string): string {
  const time = (column: string) => `${micros(`${alias}.${column}`)} AS ${column}`;
  return `${alias}.entity_type, ${alias}.entity_id, ${alias}.version, ${alias}.deleted,
       ${alias}.data, ${alias}.origin_key, ${alias}.origin_kind, ${alias}.origin_device,
       ${time('origin_at')}, ${time('created_at')}, ${time('updated_at')}`;
}

export interface RecordRow {
  readonly entity_type: string;
  readonly entity_id: string;
  readonly version: number;
  readonly deleted: boolean;
  readonly data: string | null;
  readonly origin_key: string;
  readonly origin_kind: string;
  readonly origin_device: string | null;
  readonly origin_at: number;
  readonly created_at: number;
  readonly updated_at: number;
}

export function toStoredRecord(row: RecordRow): StoredRecord {
  return {
    entityType: row.entity_type,
    entityId: row.entity_id,
    version: row.version,
    deleted: row.deleted,
    data: row.data,
    originKey: row.origin_key,
    originKind: row.origin_kind,
    originDevice: row.origin_device,
    originAt: row.origin_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
