import type { StoredRecord } from '../domain/record.ts';
import { differingFields, printDifferences } from '../domain/kinds/differing-fields.ts';
import type { Fields } from '../domain/kinds/intent.ts';
import type { KindRegistry } from '../domain/kinds/registry.ts';
import type { Conflict } from '../protocol/conflict.ts';
import { type SyncRecord, toSyncRecord } from '../protocol/record.ts';
import { formatMicros } from '../domain/timestamp.ts';
import { interpretStored } from './stored-interpretation.ts';
import type { StoredConflict } from './audit-store.ts';

type Show = (record: StoredRecord) => StoredRecord;

/**
 * Conflicts of one list: a record that many of them are about is read once.
 *
 * @param show brings a record to the newest version of its data
 */
export function createConflictView(
  kinds: KindRegistry,
  show: Show,
): (stored: StoredConflict) => Conflict {
  let last: { readonly stored: StoredRecord; readonly record: SyncRecord } | undefined;
  const read = (stored: StoredRecord) => {
    if (last?.stored !== stored) last = { stored, record: toSyncRecord(show(stored)) };
    return last.record;
  };
  return (stored) => toConflict(stored, kinds, read);
}

/** A conflict as answers show it. What the edit would have written, the kind says anew. */
function toConflict(
  stored: StoredConflict,
  kinds: KindRegistry,
  readRecord: (stored: StoredRecord) => SyncRecord,
): Conflict {
  const { event, settled } = stored;
  const current = stored.current && readRecord(stored.current);
  const read = interpretStored(event, kinds);
  const intent = read.ok ? read.meaning.intent : undefined;
  // Of JSON, whatever the schema of an answer calls it.
  const fields = (current?.data ?? null) as Fields | null;
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
    current,
    ...(intent ? printDifferences(differingFields(intent, fields)) : { differingFields: [] }),
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
