import { type EventFailure, failingKindOf, kindFailedFailure } from '../errors.ts';
import { isSameEvent, type KnownEvent } from '../event.ts';
import { entitiesOf, rulesOf } from '../kinds/policies/intent-rules.ts';
import type { RecordLifter } from '../kinds/record-versions.ts';
import { isSameEntity } from '../record.ts';
import { appendConflict, applyWrites, type DecisionContext } from './apply-writes.ts';
import type { Batch, EventOutcome } from './batch.ts';
import type { BlockedEntities } from './blocked-entities.ts';
import type { DecodedEvent } from './decode-event.ts';
import {
  afterLastWrite,
  afterNewestWrite,
  type EffectiveTime,
  lastWriteOfDevice,
  toEffectiveTime,
} from './event-time.ts';
import { planMergeByHook, planWrites, type TimedPlan } from './plan-writes.ts';
import type { DraftRecord, TenantDraft } from './tenant-draft.ts';

export interface DecisionLimits {
  /** Events older than this are refused; null: events of any age are accepted. Milliseconds. */
  readonly maxEventAgeMs: number | null;
  /** The maximum number of characters of JSON of a record's data. */
  readonly maxRecordLength: number;
  /** Reads records that were written in an older version of their type's data. */
  readonly lifter: RecordLifter;
}

/** Steps 2 to 7 of the protocol, in its order. Step 1 is in decode-event.ts. */
export function decideEvent(
  draft: TenantDraft,
  batch: Batch,
  event: DecodedEvent,
  blocked: BlockedEntities,
  limits: DecisionLimits,
): EventOutcome {
  const known = draft.findKnown(event.identityKey);
  if (known) return answerResend(known, event);
  const blocker = blocked.find(event);
  if (blocker) return failed(event, { ...blockedFailure, ...failingKindOf(blocker) });
  const statedTime = toEffectiveTime(event.envelope.occurredAt, batch.sentAt, draft.receivedAt);
  const tooOld = checkAge(statedTime, draft.receivedAt, limits.maxEventAgeMs);
  if (tooOld) return failed(event, tooOld);

  const unreadable = findUnreadable(draft, event);
  if (unreadable) return failed(event, kindFailedFailure(event.kind), unreadable);

  const record = draft.findRecord(event);
  const last = lastWriteOfDevice(record, batch.deviceId) ?? draft.lastTimeOf(event);
  const time = afterLastWrite(statedTime, last, draft.receivedAt);
  const outOfOrder = checkSequence(event, record);
  if (outOfOrder) return failed(event, outOfOrder);
  const unmet = checkPrecondition(draft, event, record);
  const { maxRecordLength } = limits;
  const context = { draft, batch, event, time, maxRecordLength };
  if (unmet?.code === 'CONFLICT') {
    return isAlreadyApplied(event, record)
      ? applyWrites(context, { writes: [], at: time.effectiveAt })
      : decideConflict(context, record, unmet);
  }
  if (unmet) return failed(event, unmet);

  const decided = isBasedOnRecord(event)
    ? { ...context, time: afterNewestWrite(record, time, draft.receivedAt) }
    : context;
  return applyPlan(decided, planWrites(decided, record));
}

/** A discarded conflict leaves the record as it is, so it need not be readable. */
function findUnreadable(draft: TenantDraft, event: DecodedEvent): Error | undefined {
  if (event.intent.policy === 'discard') return undefined;
  return draft.findUnreadable(entitiesOf(event, event.intent));
}

/**
 * Two edits that ask for the same change, such as two removes, are no conflict for a person to settle, even if the base
 * of the second one has changed.
 */
function isAlreadyApplied({ intent }: DecodedEvent, record: DraftRecord | undefined): boolean {
  const data = record && !record.deleted ? record.data : null;
  return rulesOf(intent).isApplied(intent, data);
}

/**
 * Whether the base of the event, or its sequence, states that it was made on the record as it is now. This matters
 * only for writes that compete by the time at which the event happened.
 */
function isBasedOnRecord({ envelope, definition, intent }: DecodedEvent): boolean {
  const { baseVersion, baseKey } = envelope;
  const isBased = baseVersion !== null || baseKey !== null || definition.ordered;
  return isBased && rulesOf(intent).competesBy === 'occurrence';
}

function applyPlan(context: DecisionContext, plan: TimedPlan): EventOutcome {
  if (!plan.ok) return failed(context.event, plan.failure, plan.fault);
  return applyWrites(context, plan);
}

/**
 * The resolve hook of the kind may merge the edit. If the hook throws, the last write wins. Without a hook, a person
 * settles the conflict.
 */
function decideConflict(
  context: DecisionContext,
  record: DraftRecord | undefined,
  failure: EventFailure,
): EventOutcome {
  const merge = planMergeByHook(context, record);
  if (!merge) {
    // It is stored so that a resend gets the same answer and a person can see both sides.
    if (context.batch.keepsConflicts) appendConflict(context, record);
    return failed(context.event, failure);
  }
  if (merge.ok) {
    const time = { ...context.time, effectiveAt: merge.at };
    return applyWrites({ ...context, time }, merge, true);
  }
  const lastWriteWins = applyPlan(context, planWrites(context, record));
  return { ...lastWriteWins, fault: merge.fault };
}

/** The answer for an event whose identityKey is stored already. */
function answerResend(known: KnownEvent, event: DecodedEvent): EventOutcome {
  if (!isSameEvent(known, event)) {
    const message = 'another event with this identityKey is already stored';
    return { ...failed(event, { code: 'IDENTITY_KEY_REUSED', message }), stored: known };
  }
  const { identityKey } = event;
  if (known.outcome === 'conflict') {
    return { identityKey, status: 'failed', failure: recordChanged, resendOf: known.version };
  }
  return { identityKey, status: 'duplicate', event: known, clockAdjusted: false };
}

function failed({ identityKey }: DecodedEvent, failure: EventFailure, fault?: unknown) {
  return { identityKey, status: 'failed', failure, ...(fault !== undefined && { fault }) } as const;
}

const blockedFailure = {
  code: 'BLOCKED',
  message: 'an earlier event of this batch for the same entity has to be sent again',
} as const;

const recordChanged: EventFailure = {
  code: 'CONFLICT',
  message: 'the record has changed since the version this edit was made on',
};

function checkAge(
  time: EffectiveTime,
  receivedAt: number,
  maxEventAgeMs: number | null,
): EventFailure | undefined {
  if (maxEventAgeMs === null || receivedAt - time.effectiveAt <= maxEventAgeMs * 1000) {
    return undefined;
  }
  return { code: 'EVENT_TOO_OLD', message: 'is older than this server accepts' };
}

function checkSequence(
  { definition, envelope: { sequence } }: DecodedEvent,
  record: DraftRecord | undefined,
): EventFailure | undefined {
  if (!definition.ordered || sequence === null) return undefined;
  const next = (record?.sequence ?? 0) + 1;
  if (sequence === next) return undefined;
  const code = sequence > next ? 'SEQUENCE_GAP' : 'SEQUENCE_CONFLICT';
  return { code, message: `the sequence is ${sequence}, expected ${next}`, path: 'sequence' };
}

/** A resolution of a conflict is made on the record as it is now, so it has no precondition. */
function checkPrecondition(
  draft: TenantDraft,
  event: DecodedEvent,
  record: DraftRecord | undefined,
): EventFailure | undefined {
  const { baseKey, baseVersion } = event.envelope;
  if (event.resolves !== null) return undefined;
  if (baseKey !== null) return checkBaseKey(draft, event, baseKey, record);
  if (baseVersion === null) return undefined;
  return isBaseCurrent(draft, event, record, baseVersion) ? undefined : recordChanged;
}

/**
 * A base version is compared for equality, not for order. It is the record's own version, or the version of a later
 * event of this entity that did not change the record. Any other version belongs to another entity, or to a history
 * that was lost in a restore.
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
  // After a merge, the record has data that the sender of both events has not seen.
  const isInRecord = base.outcome === 'applied' || base.outcome === 'noop';
  // Without a record nothing can have changed: a `decide` event need not write its own record.
  const hasChanged = record !== undefined && record.version > base.version;
  return !isInRecord || hasChanged ? recordChanged : undefined;
}
