import type { EventFailure } from '../errors.ts';
import { isSameEntity } from '../record.ts';
import type { EffectiveTime } from './effective-time.ts';
import type { DecodedEvent } from './decode-event.ts';
import type { TenantDraft, DraftRecord } from './tenant-draft.ts';
import { RecordData } from './record-data.ts';

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
  record: DraftRecord | undefined,
): EventFailure | undefined {
  if (!event.definition.ordered || event.sequence === null) return undefined;
  const next = (record?.sequence ?? 0) + 1;
  if (event.sequence === next) return undefined;
  const code = event.sequence > next ? 'SEQUENCE_GAP' : 'SEQUENCE_CONFLICT';
  return { code, message: `${event.sequence} came where ${next} is next`, path: 'sequence' };
}

/**
 * Whether an edit whose base has changed wants nothing but what is there: two that removed the same, or wrote
 * the same, are no conflict for a person to settle.
 */
export function isAlreadyApplied(event: DecodedEvent, record: DraftRecord | undefined): boolean {
  const { intent } = event;
  const data = record && !record.deleted ? record.data : null;
  switch (intent.policy) {
    case 'put':
      return (
        data !== null && RecordData.ofFields(intent.fields).with(keptOf(intent, data)).equals(data)
      );
    case 'patch':
      return data !== null && data.with(Object.entries(intent.fields)) === data;
    case 'remove':
      return data === null;
    default:
      return false;
  }
}

/** What a put leaves as it is, as its payload version does not know it. */
function keptOf(
  { unknown = [] }: { readonly unknown?: readonly string[] },
  { fields }: RecordData,
) {
  return Object.entries(fields).filter(([name]) => unknown.includes(name));
}

export const recordChanged: EventFailure = {
  code: 'CONFLICT',
  message: 'the record has changed since the version this edit was made on',
};

export function checkPrecondition(
  draft: TenantDraft,
  event: DecodedEvent,
  record: DraftRecord | undefined,
): EventFailure | undefined {
  if (event.resolves !== null) return undefined;
  if (event.baseKey !== null) return checkBaseKey(draft, event, event.baseKey, record);
  if (event.baseVersion === null) return undefined;
  return isBaseCurrent(draft, event, record, event.baseVersion) ? undefined : recordChanged;
}

/**
 * A base is an identity and no order: the record's own version, or a later event of this entity that left the
 * record as it was. Any other version is of another entity, or of a history that a restore has lost.
 */
function isBaseCurrent(
  draft: TenantDraft,
  event: DecodedEvent,
  record: DraftRecord | undefined,
  baseVersion: number,
): boolean {
  if (!record) return baseVersion === 0;
  if (baseVersion <= record.version) return baseVersion === record.version;
  const base = draft.findBase(event, baseVersion);
  return base !== undefined && base.outcome !== 'conflict';
}

function checkBaseKey(
  draft: TenantDraft,
  event: DecodedEvent,
  baseKey: string,
  record: DraftRecord | undefined,
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
  const changed = record !== undefined && record.version > base.version;
  return !holds || changed ? recordChanged : undefined;
}
