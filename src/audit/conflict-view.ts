import type { StoredRecord } from '../domain/record.ts';
import { differingFields, rulesOf } from '../domain/kinds/policies/intent-rules.ts';
import { printDifferences } from '../domain/kinds/policies/fields.ts';
import type { Fields } from '../domain/kinds/intent.ts';
import type { KindRegistry } from '../domain/kinds/registry.ts';
import type { Conflict } from '../protocol/conflict.ts';
import { type SyncRecord, toSyncRecord } from '../protocol/record.ts';
import { formatMicros } from '../domain/timestamp.ts';
import { interpretStored } from './stored-interpretation.ts';
import type { StoredConflict } from './audit-store.ts';

type LiftRecord = (record: StoredRecord) => StoredRecord;

/**
 * Prints the conflicts of one list. A record that several conflicts share is lifted only once.
 *
 * @param liftRecord lifts a record to the newest version of its data
 */
export function createConflictView(
  kinds: KindRegistry,
  liftRecord: LiftRecord,
): (stored: StoredConflict) => Conflict {
  let last: { readonly stored: StoredRecord; readonly record: SyncRecord } | undefined;
  const readRecord = (stored: StoredRecord) => {
    if (last?.stored !== stored) last = { stored, record: toSyncRecord(liftRecord(stored)) };
    return last.record;
  };
  return (stored) => toConflict(stored, kinds, readRecord);
}

/** A conflict as answers show it. The kind interprets the edit again, to show what it would have written. */
function toConflict(
  stored: StoredConflict,
  kinds: KindRegistry,
  readRecord: (stored: StoredRecord) => SyncRecord,
): Conflict {
  const { event, settled } = stored;
  const current = stored.current && readRecord(stored.current);
  const interpreted = interpretStored(event, kinds);
  const intent = interpreted.ok ? interpreted.interpretation.intent : undefined;
  // The assertion is safe: the data of a record is a JSON object.
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
      data: intent ? rulesOf(intent).fieldsFor(intent, {}) : null,
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
