import { differingFields, printDifferences } from '../kinds/differing-fields.ts';
import type { KindRegistry } from '../kinds/registry.ts';
import type { Conflict } from '../protocol/conflict.ts';
import { toRecord } from '../protocol/record.ts';
import { formatMicros } from '../protocol/time.ts';
import { fieldsOf } from '../push/record-view.ts';
import { readStored } from './stored-meaning.ts';
import type { StoredConflict } from '../storage/audit.ts';

/** A conflict as answers show it. What the edit would have written, the kind says anew. */
export function toConflict(stored: StoredConflict, kinds: KindRegistry): Conflict {
  const { event, current, settled } = stored;
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
    ...(intent
      ? printDifferences(differingFields(intent, current && fieldsOf(current)))
      : { differingFields: [] }),
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
