import type { RecordView } from '../kinds/intent.ts';
import type { DraftRecord } from './tenant-draft.ts';

/** A record as kinds see it; undefined for one that is not there or deleted. */
export function toRecordView(record: DraftRecord | undefined): RecordView | undefined {
  if (!record?.data || record.deleted) return undefined;
  const { entityType, entityId, version, updatedAt } = record;
  const data = record.data.frozenFields;
  return { entityType, entityId, version, data, updatedAtMs: Math.floor(updatedAt / 1000) };
}
