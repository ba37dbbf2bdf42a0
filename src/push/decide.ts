import { type EventFailure, retryOf } from '../errors.ts';
import { differingFields } from '../kinds/differing-fields.ts';
import type { KnownEvent, TenantPlan, TenantSnapshot } from '../storage/store.ts';
import type { Batch } from './batch.ts';
import { BlockedEntities } from './blocked-entities.ts';
import { type DecideRules, decideEvent } from './decide-event.ts';
import type { DecodedEvent } from './decode.ts';
import { Draft } from './draft.ts';
import { type BatchDecision, type EventOutcome, failingOf } from './outcome.ts';
import { fieldsOf } from './record-view.ts';

/**
 * Decides a tenant's batches, one after the other, on a snapshot taken under the tenant's lock.
 * Pure: no clock, no I/O; the same arguments give the same plan.
 */
export function decideTenant(
  snapshot: TenantSnapshot,
  batches: readonly Batch[],
  rules: DecideRules,
): TenantPlan<BatchDecision> {
  const draft = Draft.of(snapshot, rules.lifter);
  const { receivedAt } = draft;
  const decisions = batches.map((batch) => ({
    ...decideBatch(draft, batch, rules),
    epoch: snapshot.epoch,
    receivedAt,
  }));
  const { head, events, effects, records } = draft;
  return { head, events, effects, records, decisions };
}

function decideBatch(tenant: Draft, batch: Batch, rules: DecideRules) {
  const draft = tenant.fork();
  const blocked = new BlockedEntities();
  const outcomes = batch.events.map((result): EventOutcome => {
    if (!result.ok) {
      const { identityKey, failure, fault } = result.undecoded;
      blocked.addUndecoded(result.undecoded);
      return { identityKey, status: 'failed', failure, fault };
    }
    const outcome = decideEvent(draft, batch, result.event, blocked, rules);
    if (outcome.status === 'failed') blocked.add(result.event, outcome.failure);
    return outcome;
  });

  if (batch.atomic && outcomes.some(({ status }) => status === 'failed')) {
    const position = { version: tenant.head, proof: tenant.headProof };
    // What the others are told of is what is stored, not what this batch would have made of it.
    const aborted = abortedBy(outcomes);
    const told = withCurrent(outcomes, batch, tenant).map((outcome) => abort(outcome, aborted));
    return { outcomes: told, position };
  }
  tenant.adopt(draft);
  const position = positionBefore(outcomes) ?? { version: draft.head, proof: draft.headProof };
  return { outcomes: withCurrent(outcomes, batch, draft), position };
}

/** Where only the server has to be mended for the batch, all of it waits for the server. */
function abortedBy(outcomes: readonly EventOutcome[]): EventFailure {
  const failures = outcomes.flatMap((outcome) =>
    outcome.status === 'failed' ? [outcome.failure] : [],
  );
  const [first] = failures;
  const isServers = failures.every((failure) => retryOf(failure).fault === 'server');
  const message = 'another event of this atomic batch failed';
  return { code: 'BATCH_ABORTED', message, ...(first && isServers && failingOf(first)) };
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
    return decoded?.ok ? addCurrent(outcome, decoded.event, draft) : outcome;
  });
}

function addCurrent(outcome: EventOutcome, event: DecodedEvent, draft: Draft): EventOutcome {
  if (outcome.status !== 'failed') {
    const wantsCurrent = outcome.event.outcome === 'superseded' || event.resolves !== null;
    return wantsCurrent ? { ...outcome, ...currentOf(event, draft) } : outcome;
  }
  if (outcome.failure.code !== 'CONFLICT' || event.intent.policy === 'discard') return outcome;
  const { current, ...fault } = currentOf(event, draft);
  const data = current && fieldsOf(current);
  const differing = differingFields(event.intent, data);
  return { ...outcome, ...fault, current, differingFields: differing };
}

/** One that cannot be read is shown as it is stored, and the log says why. */
function currentOf(event: DecodedEvent, draft: Draft) {
  const fault = draft.findUnreadable([event]);
  return { current: draft.findRecord(event) ?? null, ...(fault && { fault }) };
}
