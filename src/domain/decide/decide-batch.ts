import { type EventFailure, failingKindOf, retryOf } from '../errors.ts';
import type { KnownEvent } from '../event.ts';
import { differingFields } from '../kinds/policies/intent-rules.ts';
import type { Batch, BatchDecision, EventOutcome } from './batch.ts';
import { BlockedEntities } from './blocked-entities.ts';
import { decideEvent, type DecisionLimits } from './decide-event.ts';
import type { DecodedEvent } from './decode-event.ts';
import { TenantDraft, toRecordState } from './tenant-draft.ts';
import type { TenantPlan, TenantSnapshot } from './tenant-plan.ts';

/** Does the same as `decideBatchesInSteps`, without a pause. */
export function decideBatches(
  snapshot: TenantSnapshot,
  batches: readonly Batch[],
  limits: DecisionLimits,
): TenantPlan<BatchDecision> {
  const steps = decideBatchesInSteps(snapshot, batches, limits);
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}

/**
 * Decides the batches of a tenant, one after the other, on a snapshot that was taken under the tenant's lock. It yields
 * between events, so that other work can run. Pure: no clock, no I/O; the same arguments give the same plan.
 */
export function* decideBatchesInSteps(
  snapshot: TenantSnapshot,
  batches: readonly Batch[],
  limits: DecisionLimits,
): Generator<void, TenantPlan<BatchDecision>> {
  const draft = TenantDraft.of(snapshot, limits.lifter);
  const { receivedAt } = draft;
  const decisions: BatchDecision[] = [];
  for (const batch of batches) {
    const decided = yield* decideBatch(draft, batch, limits);
    decisions.push({ ...decided, epoch: snapshot.epoch, receivedAt });
  }
  const { head, events, effects, records } = draft;
  return { head, events, effects, records, decisions };
}

type DecidedBatch = Omit<BatchDecision, 'epoch' | 'receivedAt'>;

function* decideBatch(
  tenant: TenantDraft,
  batch: Batch,
  limits: DecisionLimits,
): Generator<void, DecidedBatch> {
  const draft = tenant.beginBatch(batch.atomic);
  const blocked = new BlockedEntities();
  const outcomes: EventOutcome[] = [];
  for (const result of batch.events) {
    if (result.ok) {
      const outcome = decideEvent(draft, batch, result.event, blocked, limits);
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
    // The answer shows the stored records, not what this batch would have made of them.
    const shown = yield* withCurrent(outcomes, batch, tenant);
    const failure = abortFailure(outcomes);
    return { outcomes: shown.map((outcome) => abort(outcome, failure)), position };
  }
  tenant.adopt(draft);
  const position = positionBefore(outcomes) ?? {
    version: draft.head,
    reference: draft.headReference,
  };
  return { outcomes: yield* withCurrent(outcomes, batch, draft), position };
}

/** If all failures of the batch are the server's fault, the whole batch waits for the server. */
function abortFailure(outcomes: readonly EventOutcome[]): EventFailure {
  const failures = outcomes.flatMap((outcome) =>
    outcome.status === 'failed' ? [outcome.failure] : [],
  );
  const [first] = failures;
  const isServerFault = failures.every((failure) => retryOf(failure).fault === 'server');
  const message = 'another event of this atomic batch failed';
  return { code: 'BATCH_ABORTED', message, ...(first && isServerFault && failingKindOf(first)) };
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

/** Adds the record, as it is after the whole batch, to outcomes whose sender must roll back to it. */
function* withCurrent(
  outcomes: readonly EventOutcome[],
  batch: Batch,
  draft: TenantDraft,
): Generator<void, readonly EventOutcome[]> {
  const shown: EventOutcome[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    const decoded = batch.events[index];
    if (decoded?.ok && needsCurrent(outcome, decoded.event, batch)) {
      shown.push(addCurrent(outcome, decoded.event, draft));
      yield;
    } else {
      shown.push(outcome);
    }
  }
  return shown;
}

function addCurrent(outcome: EventOutcome, event: DecodedEvent, draft: TenantDraft): EventOutcome {
  const record = draft.findRecord(event);
  // A record that cannot be read is shown as it is stored, and the reason is logged.
  const fault = draft.findUnreadable([event]);
  const shown = { current: record ? toRecordState(record) : null, ...(fault && { fault }) };
  if (outcome.status !== 'failed' || outcome.failure.code !== 'CONFLICT') {
    return { ...outcome, ...shown };
  }
  const data = record?.data?.fields ?? null;
  return { ...outcome, ...shown, differingFields: differingFields(event.intent, data) };
}

/** Most events win and need no record, so nothing is looked up for them. */
function needsCurrent(outcome: EventOutcome, event: DecodedEvent, batch: Batch): boolean {
  if (batch.bringsRecords) return true;
  if (outcome.status === 'failed') return outcome.failure.code === 'CONFLICT';
  const decided = outcome.event.outcome;
  return event.resolves !== null || decided === 'superseded' || decided === 'noop';
}
