import type { EventFailure } from '../errors.ts';
import { isSameEntity } from '../protocol/record.ts';
import type { RecordState } from '../storage/store.ts';
import type { EffectiveTime } from './clock.ts';
import type { DecodedEvent } from './decode.ts';
import type { Draft } from './draft.ts';

export function checkAge(
  time: EffectiveTime,
  receivedAt: number,
  maxEventAgeMs: number | null,
): EventFailure | undefined {
  if (maxEventAgeMs === null || receivedAt - time.effectiveAt <= maxEventAgeMs * 1000) {
    return undefined;
  }
  return { code: 'EVENT_TOO_OLD', message: 'happened longer ago than this server takes' };
}

export function checkSequence(
  event: DecodedEvent,
  record: RecordState | undefined,
): EventFailure | undefined {
  if (!event.definition.ordered || event.sequence === null) return undefined;
  const next = (record?.sequence ?? 0) + 1;
  if (event.sequence === next) return undefined;
  const code = event.sequence > next ? 'SEQUENCE_GAP' : 'SEQUENCE_CONFLICT';
  return { code, message: `${event.sequence} came where ${next} is next`, path: 'sequence' };
}

export const changedSince: EventFailure = {
  code: 'CONFLICT',
  message: 'the record has changed since the version this edit was made on',
};

export function checkPrecondition(
  draft: Draft,
  event: DecodedEvent,
  record: RecordState | undefined,
): EventFailure | undefined {
  if (event.resolves !== null) return undefined;
  if (event.baseKey !== null) return checkBaseKey(draft, event, event.baseKey, record);
  if (event.baseVersion === null) return undefined;
  // Beyond the head: of a history that was lost by a restore, in which the record was another.
  const isOfThisHistory = event.baseVersion <= draft.head;
  return !isOfThisHistory || changedAfter(record, event.baseVersion) ? changedSince : undefined;
}

function checkBaseKey(
  draft: Draft,
  event: DecodedEvent,
  baseKey: string,
  record: RecordState | undefined,
): EventFailure | undefined {
  const base = draft.findKnown(baseKey);
  if (!base) {
    return {
      code: 'BLOCKED',
      message: 'the event named by baseKey is not stored',
      path: 'baseKey',
    };
  }
  if (!isSameEntity(base, event)) {
    return { code: 'INVALID_EVENT', message: 'names an event of another entity', path: 'baseKey' };
  }
  // After a merge the record holds what the sender of both has not seen.
  const holds = base.outcome === 'applied' || base.outcome === 'noop';
  // Without a record nothing changed: a `decide` event need not write its own.
  const changed = record !== undefined && changedAfter(record, base.version);
  return !holds || changed ? changedSince : undefined;
}

/** A record that is gone altogether, purged with its tombstone, has changed too. */
function changedAfter(record: RecordState | undefined, version: number): boolean {
  return record ? record.version > version : version > 0;
}
