import { type EventFailure, retryOf } from '../errors.ts';
import { differingFields } from '../kinds/differing-fields.ts';
import type { KnownEvent } from '../stored-event.ts';
import type { TenantPlan, TenantSnapshot } from './tenant-plan.ts';
import type { Batch } from './batch.ts';
import { BlockedEntities } from './blocked-entities.ts';
import { type DecisionLimits, decideEvent } from './decide-event.ts';
import type { DecodedEvent } from './decode-event.ts';
import { TenantDraft, toRecordState } from './tenant-draft.ts';
import { type BatchDecision, type EventOutcome, failingKindOf } from './outcome.ts';

/** Decides as `decideInSteps`, without a pause. */
export function decideBatches(
  snapshot: TenantSnapshot,
  batches: readonly Batch[],
  rules: DecisionLimits,
): TenantPlan<BatchDecision> {
  const steps = decideBatchesInSteps(snapshot, batches, rules);
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}

/**
 * Decides a tenant's batches, one after the other, on a snapshot taken under the tenant's lock. Yields
 * between events, where others may go on. Pure: no clock, no I/O; the same arguments give the same plan.
 */
export function* decideBatchesInSteps(
  snapshot: TenantSnapshot,
  batches: readonly Batch[],
  rules: DecisionLimits,
): Generator<void, TenantPlan<BatchDecision>> {
  const draft = TenantDraft.of(snapshot, rules.lifter);
  const { receivedAt } = draft;
  const decisions: BatchDecision[] = [];
  for (const batch of batches) {
    const decided = yield* decideBatch(draft, batch, rules);
    decisions.push({ ...decided, epoch: snapshot.epoch, receivedAt });
  }
  const { head, events, effects, records } = draft;
  return { head, events, effects, records, decisions };
}

type Decided = Omit<BatchDecision, 'epoch' | 'receivedAt'>;

function* decideBatch(
  tenant: TenantDraft,
  batch: Batch,
  rules: DecisionLimits,
): Generator<void, Decided> {
  const draft = tenant.fork();
  const blocked = new BlockedEntities();
  const outcomes: EventOutcome[] = [];
  for (const result of batch.events) {
    if (result.ok) {
      const outcome = decideEvent(draft, batch, result.event, blocked, rules);
      if (outcome.status === 'failed') blocked.add(result.event, outcome.failure);
      outcomes.push(outcome);
    } else {
      const { identityKey, failure, fault } = result.undecoded;
      blocked.addUndecoded(result.undecoded);
      outcomes.push({ identityKey, status: 'failed', failure, fault });
    }
    yield;
  }

  if (batch.atomic && outcomes.some(({ status }) => status === 'failed')) {
    const position = { version: tenant.head, reference: tenant.headReference };
    // What the others are told of is what is stored, not what this batch would have made of it.
    const shown = yield* withCurrent(outcomes, batch, tenant);
    const aborted = abortedBy(outcomes);
    return { outcomes: shown.map((outcome) => abort(outcome, aborted)), position };
  }
  tenant.adopt(draft);
  const position = positionBefore(outcomes) ?? {
    version: draft.head,
    reference: draft.headReference,
  };
  return { outcomes: yield* withCurrent(outcomes, batch, draft), position };
}

/** Where only the server has to be mended for the batch, all of it waits for the server. */
function abortedBy(outcomes: readonly EventOutcome[]): EventFailure {
  const failures = outcomes.flatMap((outcome) =>
    outcome.status === 'failed' ? [outcome.failure] : [],
  );
  const [first] = failures;
  const isServers = failures.every((failure) => retryOf(failure).fault === 'server');
  const message = 'another event of this atomic batch failed';
  return { code: 'BATCH_ABORTED', message, ...(first && isServers && failingKindOf(first)) };
}

function abort(outcome: EventOutcome, failure: EventFailure): EventOutcome {
  if (outcome.status === 'failed') return outcome;
  return { identityKey: outcome.identityKey, status: 'failed', failure };
}

function positionBefore(outcomes: readonly EventOutcome[]) {
  let first: KnownEvent | undefined;
  for (const outcome of outcomes) {
    if (outcome.status === 'failed') continue;
    if (!first || outcome.event.version < first.version) first = outcome.event;
  }
  return first && { version: first.version - 1, reference: first.previous };
}

/** Losers are told what won as it stands after the whole batch, so that they can roll back to it. */
function* withCurrent(
  outcomes: readonly EventOutcome[],
  batch: Batch,
  draft: TenantDraft,
): Generator<void, readonly EventOutcome[]> {
  const shown: EventOutcome[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    const decoded = batch.events[index];
    shown.push(decoded?.ok ? addCurrent(outcome, decoded.event, batch, draft) : outcome);
    yield;
  }
  return shown;
}

function addCurrent(
  outcome: EventOutcome,
  event: DecodedEvent,
  batch: Batch,
  draft: TenantDraft,
): EventOutcome {
  if (!wantsCurrent(outcome, event, batch)) return outcome;
  const record = draft.findRecord(event);
  // One that cannot be read is shown as it is stored, and the log says why.
  const fault = draft.findUnreadable([event]);
  const shown = { current: record ? toRecordState(record) : null, ...(fault && { fault }) };
  const { intent } = event;
  if (
    outcome.status === 'failed' &&
    outcome.failure.code === 'CONFLICT' &&
    intent.policy !== 'discard'
  ) {
    const data = record?.data?.fields ?? null;
    return { ...outcome, ...shown, differingFields: differingFields(intent, data) };
  }
  return { ...outcome, ...shown };
}

/** Most events win: nothing is looked up for them. */
function wantsCurrent(outcome: EventOutcome, event: DecodedEvent, batch: Batch): boolean {
  if (batch.bringsRecords) return true;
  if (outcome.status === 'failed') {
    return outcome.failure.code === 'CONFLICT' && event.intent.policy !== 'discard';
  }
  const decided = outcome.event.outcome;
  return event.resolves !== null || decided === 'superseded' || decided === 'noop';
}
