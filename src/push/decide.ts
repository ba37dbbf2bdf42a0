import { type EventFailure, eventFailures } from '../errors.ts';
import { entityKey } from '../protocol/record.ts';
import type {
  EventProof,
  KnownEvent,
  RecordState,
  TenantPlan,
  TenantSnapshot,
} from '../storage/store.ts';
import type { Batch } from './batch.ts';
import { changedSince, checkAge, checkPrecondition, checkSequence } from './checks.ts';
import { type EffectiveTime, effectiveTime } from './clock.ts';
import type { DecodedEvent } from './decode.ts';
import { Draft } from './draft.ts';
import { canPatch, newestAt, settle } from './last-write-wins.ts';

export interface DecideRules {
  /** Events older than this are refused; null: a queue of any age drains. Milliseconds. */
  readonly maxEventAgeMs: number | null;
}

/** What became of one event. `current` is the record that won, where the client must know it. */
export type EventOutcome = { readonly identityKey: string | null } & (
  | {
      readonly status: 'applied' | 'noop' | 'superseded' | 'duplicate';
      readonly event: KnownEvent;
      readonly clockAdjusted: boolean;
      readonly current?: RecordState | null;
    }
  | {
      readonly status: 'failed';
      readonly failure: EventFailure;
      readonly current?: RecordState | null;
    }
);

/** What a batch's sender is told, in request order. */
export interface BatchDecision {
  readonly outcomes: readonly EventOutcome[];
  /** The position just before the batch's first effect, or the head where it has none. */
  readonly position: { readonly version: number; readonly proof: EventProof | undefined };
  readonly epoch: string;
  /** Microseconds since 1970. */
  readonly receivedAt: number;
}

/**
 * Decides a tenant's batches, one after the other, on a snapshot taken under the tenant's lock.
 * Pure: no clock, no I/O; the same arguments give the same plan.
 */
export function decideTenant(
  snapshot: TenantSnapshot,
  batches: readonly Batch[],
  rules: DecideRules,
): TenantPlan<BatchDecision> {
  const draft = Draft.of(snapshot);
  const { receivedAt } = draft;
  const decisions = batches.map((batch) => ({
    ...decideBatch(draft, batch, rules),
    epoch: snapshot.epoch,
    receivedAt,
  }));
  return { head: draft.head, events: draft.events, records: draft.records, decisions };
}

function decideBatch(tenant: Draft, batch: Batch, rules: DecideRules) {
  const draft = tenant.fork();
  const blocked = new Set<string>();
  const outcomes = batch.events.map((result): EventOutcome => {
    if (!result.ok) {
      const { identityKey, failure } = result.undecoded;
      return { identityKey, failure, status: 'failed' };
    }
    const outcome = decideEvent(draft, batch, result.event, blocked, rules);
    if (outcome.status === 'failed' && eventFailures[outcome.failure.code].retryable) {
      blocked.add(entityKey(result.event));
    }
    return outcome;
  });

  if (batch.atomic && outcomes.some(({ status }) => status === 'failed')) {
    const position = { version: tenant.head, proof: tenant.headProof };
    // What the others are told of is what is stored, not what this batch would have made of it.
    return { outcomes: withCurrent(outcomes, batch, tenant).map(abort), position };
  }
  tenant.adopt(draft);
  const position = positionBefore(outcomes) ?? { version: draft.head, proof: draft.headProof };
  return { outcomes: withCurrent(outcomes, batch, draft), position };
}

/** Steps 2 to 7 of the protocol, in its order; step 1 is push/decode.ts. */
function decideEvent(
  draft: Draft,
  batch: Batch,
  event: DecodedEvent,
  blocked: ReadonlySet<string>,
  rules: DecideRules,
): EventOutcome {
  const { identityKey } = event;
  const fail = (failure: EventFailure): EventOutcome => ({
    identityKey,
    status: 'failed',
    failure,
  });

  const known = draft.findKnown(identityKey);
  if (known) return answerAgain(known, event);
  if (blocked.has(entityKey(event))) {
    const message = 'an earlier event of this batch for the same entity has to be sent again';
    return fail({ code: 'BLOCKED', message });
  }
  const time = effectiveTime(event.occurredAt, batch.sentAt, draft.receivedAt);
  const tooOld = checkAge(time, draft.receivedAt, rules.maxEventAgeMs);
  if (tooOld) return fail(tooOld);

  const record = draft.findRecord(event);
  const outOfOrder = checkSequence(event, record);
  if (outOfOrder) return fail(outOfOrder);
  const unmet = checkPrecondition(draft, event, record);
  if (unmet) {
    // Kept, so that the same answer is given again and a person can find both sides.
    if (unmet.code === 'CONFLICT') append(draft, batch, event, time, 'conflict');
    return fail(unmet);
  }
  const happened = isBased(event) ? after(record, time, draft.receivedAt) : time;
  return applyPolicy(draft, batch, event, happened, record) ?? fail(neverCreated(event));
}

function answerAgain(known: KnownEvent, event: DecodedEvent): EventOutcome {
  const { identityKey } = event;
  if (!known.fingerprint.equals(event.fingerprint)) {
    const message = 'another event with this identityKey is already stored';
    return { identityKey, status: 'failed', failure: { code: 'IDENTITY_KEY_REUSED', message } };
  }
  if (known.outcome === 'conflict') return { identityKey, status: 'failed', failure: changedSince };
  return { identityKey, status: 'duplicate', event: known, clockAdjusted: false };
}

function isBased({ baseVersion, baseKey }: DecodedEvent): boolean {
  return baseVersion !== null || baseKey !== null;
}

/**
 * An edit whose precondition holds was made on the record as it stands, so it happened after all
 * that the record holds, even where the clocks and the network's delays say otherwise.
 */
function after(
  record: RecordState | undefined,
  time: EffectiveTime,
  receivedAt: number,
): EffectiveTime {
  const earliest = record ? newestAt(record.clock) + 1 : time.effectiveAt;
  if (time.effectiveAt >= earliest) return time;
  return { ...time, effectiveAt: Math.min(earliest, receivedAt) };
}

/** Undefined where the policy needs a record that was never created. */
function applyPolicy(
  draft: Draft,
  batch: Batch,
  event: DecodedEvent,
  time: EffectiveTime,
  record: RecordState | undefined,
): EventOutcome | undefined {
  if (event.write.policy === 'patch' && !canPatch(record)) return undefined;
  const { receivedAt } = draft;
  const settled = settle(record, event.write, [time.effectiveAt, event.identityKey]);
  const known = append(draft, batch, event, time, settled.outcome);
  const changed = {
    version: known.version,
    originKey: event.identityKey,
    originKind: event.kind,
    originDevice: batch.deviceId,
    originAt: time.effectiveAt,
    updatedAt: receivedAt,
  };
  const kept = record ?? {
    entityType: event.entityType,
    entityId: event.entityId,
    createdAt: receivedAt,
    ...changed,
  };
  // Also where nothing shows: the stamps decide what later events win against.
  draft.putRecord({
    ...kept,
    ...settled.record,
    ...(settled.changed && changed),
    sequence: event.ordered ? event.sequence : (record?.sequence ?? null),
  });
  const { clockAdjusted } = time;
  return { identityKey: event.identityKey, status: settled.outcome, event: known, clockAdjusted };
}

function append(
  draft: Draft,
  batch: Batch,
  event: DecodedEvent,
  time: EffectiveTime,
  outcome: KnownEvent['outcome'],
): KnownEvent {
  const { ordered: _ordered, write: _write, ...row } = event;
  return draft.append({
    ...row,
    ...time,
    outcome,
    deviceId: batch.deviceId,
    subject: batch.subject,
  });
}

function neverCreated(event: DecodedEvent): EventFailure {
  return { code: 'NOT_FOUND', message: `this ${event.entityType} has not been created yet` };
}

function abort(outcome: EventOutcome): EventOutcome {
  if (outcome.status === 'failed') return outcome;
  const message = 'another event of this atomic batch failed';
  return {
    identityKey: outcome.identityKey,
    status: 'failed',
    failure: { code: 'BATCH_ABORTED', message },
  };
}

function positionBefore(outcomes: readonly EventOutcome[]) {
  let first: KnownEvent | undefined;
  for (const outcome of outcomes) {
    if (outcome.status === 'failed') continue;
    if (!first || outcome.event.version < first.version) first = outcome.event;
  }
  return first && { version: first.version - 1, proof: first.previous };
}

/** Losers are told what won as it stands after the whole batch, so that they can roll back to it. */
function withCurrent(
  outcomes: readonly EventOutcome[],
  batch: Batch,
  draft: Draft,
): readonly EventOutcome[] {
  return outcomes.map((outcome, index) => {
    const decoded = batch.events[index];
    if (!decoded?.ok || !hasLost(outcome)) return outcome;
    return { ...outcome, current: draft.findRecord(decoded.event) ?? null };
  });
}

function hasLost(outcome: EventOutcome): boolean {
  if (outcome.status === 'failed') return outcome.failure.code === 'CONFLICT';
  return outcome.event.outcome === 'superseded';
}
