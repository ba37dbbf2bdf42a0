import { differingFields } from '../kinds/differing-fields.ts';
import type { KindRegistry } from '../kinds/registry.ts';
import type { Conflict } from '../protocol/conflict.ts';
import { type StoredRecord, toRecord } from '../protocol/record.ts';
import { formatMicros } from '../protocol/time.ts';
import { fieldsOf } from '../push/record-view.ts';
import { readStored } from './stored-meaning.ts';
import type { StoredConflict } from '../storage/audit.ts';

/**
 * A conflict as answers show it. What the edit would have written, the kind says anew.
 *
 * @param show brings a record to the newest version of its data
 */
export function toConflict(
  { event, current: stored, settled }: StoredConflict,
  kinds: KindRegistry,
  show: (record: StoredRecord) => StoredRecord,
): Conflict {
  const current = stored && show(stored);
  const read = readStored(event, kinds);
  const intent = read.ok ? read.meaning.intent : undefined;
  return {
    identityKey: event.identityKey,
    version: event.version,
    entityType: event.entityType,
    entityId: event.entityId,
    kind: event.kind,
    kindVersion: event.kindVersion,
    baseVersion: event.baseVersion,
    baseKey: event.baseKey,
    incoming: {
      payload: event.payload,
      data: intent && 'fields' in intent ? intent.fields : null,
      effectiveAt: formatMicros(event.effectiveAt),
      receivedAt: formatMicros(event.receivedAt),
      deviceId: event.deviceId,
      subject: event.subject,
    },
    current: current && toRecord(current),
    differingFields: intent ? [...differingFields(intent, current && fieldsOf(current))] : [],
    resolved: settled && toSettled(settled),
  };
}

function toSettled({ resolution, event }: NonNullable<StoredConflict['settled']>) {
  return {
    resolution,
    version: event.version,
    resolvedAt: formatMicros(event.receivedAt),
    deviceId: event.deviceId,
    subject: event.subject,
  };
}
