import { plainSpelling, type Spelling } from '../dialects/dialect.ts';
import { retryOf } from '../errors.ts';
import { type CheckpointCodec, markOf } from '../protocol/checkpoint.ts';
import type { EventResult, FailedEvent, PushAnswer, StoredOutcome } from '../protocol/push.ts';
import { formatMicros } from '../protocol/time.ts';
import { toRecord } from '../protocol/record.ts';
import type { BatchDecision, EventOutcome } from './outcome.ts';

/**
 * The answer to a batch that was decided and committed.
 *
 * @param spellings of its events, by their index; where there is none, the protocol's own
 */
export function toPushAnswer(
  decision: BatchDecision,
  tenantId: string,
  checkpoints: CheckpointCodec,
  includeResults: boolean,
  spellings: readonly Spelling[] = [],
): PushAnswer {
  const spellingOf = (index: number) => spellings[index] ?? plainSpelling;
  const { outcomes, position, epoch, receivedAt } = decision;
  const checkpoint = checkpoints.encode(
    { version: position.version, bootstrapHead: 0, epoch, mark: markOf(position.proof) },
    { tenantId, entityTypes: [] },
  );
  return {
    success: true,
    processed: outcomes.flatMap((outcome) =>
      outcome.status === 'failed' || outcome.identityKey === null ? [] : [outcome.identityKey],
    ),
    failed: outcomes.flatMap((outcome, index) =>
      outcome.status === 'failed' ? [toFailed(outcome, index, spellingOf(index))] : [],
    ),
    ...(includeResults && {
      results: outcomes.map((outcome, index) => toResult(outcome, index, spellingOf(index))),
    }),
    checkpoint,
    receivedAt: formatMicros(receivedAt),
  };
}

type Failed = Extract<EventOutcome, { status: 'failed' }>;

function toFailed(outcome: Failed, index: number, spelling: Spelling): FailedEvent {
  const { code, message, path } = outcome.failure;
  const { retryable, retryAfterMs, fault } = retryOf(outcome.failure);
  const { differingFields } = outcome;
  return {
    ...nameOf(outcome, index, spelling),
    code,
    message,
    retryable,
    ...(fault && { fault }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(path !== undefined && { path: spelling.pathOf(path) }),
    ...currentOf(outcome),
    ...(differingFields && { differingFields: [...differingFields] }),
  };
}

function toResult(outcome: EventOutcome, index: number, spelling: Spelling): EventResult {
  const named = { ...nameOf(outcome, index, spelling), status: outcome.status };
  if (outcome.status === 'failed') {
    return { ...named, code: outcome.failure.code, ...currentOf(outcome) };
  }
  const { version, outcome: stored } = outcome.event;
  return {
    ...named,
    version,
    ...(outcome.status === 'duplicate' && stored !== 'conflict' && { original: toldAs(stored) }),
    ...(outcome.clockAdjusted && { clockAdjusted: true as const }),
    ...currentOf(outcome),
  };
}

function toldAs(stored: Exclude<StoredOutcome, 'conflict'>) {
  return stored === 'merged' ? 'applied' : stored;
}

function nameOf({ identityKey }: EventOutcome, index: number, { alias }: Spelling) {
  return identityKey === null ? { identityKey, ...alias, index } : { identityKey, ...alias };
}

function currentOf({ current }: EventOutcome) {
  return current === undefined ? {} : { current: current && toRecord(current) };
}

/** What the log line of a push counts. */
export interface PushCounts {
  readonly received: number;
  readonly applied: number;
  readonly noop: number;
  readonly superseded: number;
  readonly duplicate: number;
  readonly failed: { readonly [code: string]: number };
}

export function countOutcomes(outcomes: readonly EventOutcome[]): PushCounts {
  const counts = { received: outcomes.length, applied: 0, noop: 0, superseded: 0, duplicate: 0 };
  // Without a prototype: a kind may call a code `constructor`.
  const failed: { [code: string]: number } = Object.create(null);
  for (const outcome of outcomes) {
    if (outcome.status === 'failed') {
      failed[outcome.failure.code] = (failed[outcome.failure.code] ?? 0) + 1;
    } else {
      counts[outcome.status] += 1;
    }
  }
  return { ...counts, failed: { ...failed } };
}
