import type { EventFailure } from '../errors.ts';
import type { RecordLifter } from '../kinds/record-lifter.ts';
import type { KnownEvent } from '../stored-event.ts';
import { applyWrites, appendConflict, type DecisionContext } from './apply-writes.ts';
import type { Batch } from './batch.ts';
import type { BlockedEntities } from './blocked-entities.ts';
import {
  recordChanged,
  checkAge,
  checkPrecondition,
  checkSequence,
  isAlreadyApplied,
} from './checks.ts';
import { toEffectiveTime } from './effective-time.ts';
import type { DecodedEvent } from './decode-event.ts';
import { afterLastWrite, lastWriteOfDevice } from './device-times.ts';
import type { TenantDraft, DraftRecord } from './tenant-draft.ts';
import { entitiesOf } from './entities-of-event.ts';
import { afterNewestWrite } from './last-write-wins.ts';
import { type EventOutcome, failingKindOf, kindFailedFailure } from './outcome.ts';
import { planMerge, planWrites, type PlannedWrites } from './plan-writes.ts';

export interface DecisionLimits {
  /** Events older than this are refused; null: a queue of any age drains. Milliseconds. */
  readonly maxEventAgeMs: number | null;
  /** Characters of JSON that a record's data may come to. */
  readonly maxRecordLength: number;
  /** Of the kinds: reads records that were written in an older version of their type's data. */
  readonly lifter: RecordLifter;
}

/** Steps 2 to 7 of the protocol, in its order; step 1 is push/decode.ts. */
export function decideEvent(
  draft: TenantDraft,
  batch: Batch,
  event: DecodedEvent,
  blocked: BlockedEntities,
  rules: DecisionLimits,
): EventOutcome {
  const known = draft.findKnown(event.identityKey);
  if (known) return answerAgain(known, event);
  const blocker = blocked.find(event);
  if (blocker) return failed(event, { ...behindAnother, ...failingKindOf(blocker) });
  const told = toEffectiveTime(event.occurredAt, batch.sentAt, draft.receivedAt);
  const tooOld = checkAge(told, draft.receivedAt, rules.maxEventAgeMs);
  if (tooOld) return failed(event, tooOld);

  const unreadable = findUnreadable(draft, event);
  if (unreadable) return failed(event, kindFailedFailure(event.kind), unreadable);

  const record = draft.findRecord(event);
  const last = lastWriteOfDevice(record, batch.deviceId) ?? draft.lastTimeOf(event);
  const time = afterLastWrite(told, last, draft.receivedAt);
  const outOfOrder = checkSequence(event, record);
  if (outOfOrder) return failed(event, outOfOrder);
  const unmet = checkPrecondition(draft, event, record);
  const { maxRecordLength } = rules;
  const now = { draft, batch, event, time, maxRecordLength };
  if (unmet?.code === 'CONFLICT' && isAlreadyApplied(event, record)) {
    return applyWrites(now, { writes: [], at: time.effectiveAt });
  }
  if (unmet?.code === 'CONFLICT') return meetConflict(now, record, unmet);
  if (unmet) return failed(event, unmet);

  const happened = followsTheRecord(event)
    ? afterNewestWrite(record, time, draft.receivedAt)
    : time;
  const occurrence = { ...now, time: happened };
  return settle(occurrence, planWrites(occurrence, record));
}

/** Who discards a conflict leaves the record as it is, and need not read it. */
function findUnreadable(draft: TenantDraft, event: DecodedEvent): Error | undefined {
  const { intent } = event;
  if (intent.policy === 'discard') return undefined;
  return draft.findUnreadable(entitiesOf(event, intent));
}

const behindAnother = {
  code: 'BLOCKED',
  message: 'an earlier event of this batch for the same entity has to be sent again',
} as const;

function settle(occurrence: DecisionContext, plan: PlannedWrites): EventOutcome {
  if (!plan.ok) return failed(occurrence.event, plan.failure, plan.fault);
  return applyWrites(occurrence, plan);
}

/** The kind's hook may merge; where it fails, the last write wins; without it, a person decides. */
function meetConflict(
  occurrence: DecisionContext,
  record: DraftRecord | undefined,
  failure: EventFailure,
): EventOutcome {
  const merge = planMerge(occurrence, record);
  if (!merge) {
    // Kept, so that the same answer is given again and a person can find both sides.
    if (occurrence.batch.keepsConflicts) appendConflict(occurrence, record);
    return failed(occurrence.event, failure);
  }
  if (merge.ok) {
    const time = { ...occurrence.time, effectiveAt: merge.at };
    return applyWrites({ ...occurrence, time }, merge, true);
  }
  const lastWriteWins = settle(occurrence, planWrites(occurrence, record));
  return { ...lastWriteWins, fault: merge.fault };
}

function answerAgain(known: KnownEvent, event: DecodedEvent): EventOutcome {
  if (!known.fingerprint.equals(event.fingerprint)) {
    const message = 'another event with this identityKey is already stored';
    return { ...failed(event, { code: 'IDENTITY_KEY_REUSED', message }), stored: known };
  }
  const { identityKey } = event;
  if (known.outcome === 'conflict') {
    return { identityKey, status: 'failed', failure: recordChanged, replayOf: known.version };
  }
  return { identityKey, status: 'duplicate', event: known, clockAdjusted: false };
}

/**
 * Its base, or its number, says that it was made on the record as it stands. Only last write wins asks
 * when: what is folded or decided counts by its arrival.
 */
function followsTheRecord({ baseVersion, baseKey, definition, intent }: DecodedEvent): boolean {
  const isBased = baseVersion !== null || baseKey !== null || definition.ordered;
  return isBased && ['put', 'patch', 'remove'].includes(intent.policy);
}

function failed({ identityKey }: DecodedEvent, failure: EventFailure, fault?: unknown) {
  return { identityKey, status: 'failed', failure, ...(fault !== undefined && { fault }) } as const;
}
