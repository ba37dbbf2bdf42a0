import type { Fields, RecordView } from '../kinds/intent.ts';
import type { RecordState } from '../storage/store.ts';

/** A record's data, parsed; null where there is none. */
export function fieldsOf({ data }: Pick<RecordState, 'data'>): Fields | null {
  return data === null ? null : JSON.parse(data);
}

/** A record as kinds see it; undefined for one that is not there or deleted. */
export function toRecordView(record: RecordState | undefined): RecordView | undefined {
  const data = record && !record.deleted ? fieldsOf(record) : null;
  if (!record || !data) return undefined;
  const { entityType, entityId, version, updatedAt } = record;
  return { entityType, entityId, version, data, updatedAtMs: Math.floor(updatedAt / 1000) };
}
