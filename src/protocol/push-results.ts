import type { StoredOutcome } from '../domain/stored-event.ts';
import { printDifferences } from '../domain/kinds/differing-fields.ts';
import { plainFieldMapping, type FieldMapping } from './dialect.ts';
import { retryOf } from '../domain/errors.ts';
import { type CheckpointCodec, eventDigest } from './checkpoint.ts';
import { shortenText } from '../domain/schema-issue.ts';
import type { PushAnswer } from './push.ts';
import type { UnprintedAnswer } from './print-push-answer.ts';
import { formatMicros } from '../domain/timestamp.ts';
import type { BatchDecision, EventOutcome } from '../domain/decide/outcome.ts';

export interface PushAnswerOptions {
  readonly includeResults: boolean;
  /** Whether the sender may read records: else the answer holds none, and no field of one. */
  readonly mayRead: boolean;
  /** Of the events, by their index; where there is none, the protocol's own. */
  readonly spellings?: readonly FieldMapping[];
}

type Answer = UnprintedAnswer<PushAnswer>;
type Failure = Answer['failed'][number];
type Result = NonNullable<Answer['results']>[number];

/** The answer to a batch that was decided and committed. */
export function toPushAnswer(
  decision: BatchDecision,
  tenantId: string,
  checkpoints: CheckpointCodec,
  { includeResults, mayRead, spellings = [] }: PushAnswerOptions,
): Answer {
  const spellingOf = (index: number) => spellings[index] ?? plainFieldMapping;
  const { outcomes, position, epoch, receivedAt } = decision;
  const checkpoint = checkpoints.encode(
    {
      ...{ version: position.version, epoch, digest: eventDigest(position.reference) },
      ...{ entityTypes: [], bootstrap: null },
    },
    tenantId,
  );
  return {
    success: true,
    processed: outcomes.flatMap((outcome) =>
      outcome.status === 'failed' || outcome.identityKey === null ? [] : [outcome.identityKey],
    ),
    failed: outcomes.flatMap((outcome, index) =>
      outcome.status === 'failed' ? [toFailed(outcome, index, spellingOf(index), mayRead)] : [],
    ),
    ...(includeResults && {
      results: outcomes.map((outcome, index) =>
        toResult(outcome, index, spellingOf(index), mayRead),
      ),
    }),
    checkpoint,
    receivedAt: formatMicros(receivedAt),
  };
}

type Failed = Extract<EventOutcome, { status: 'failed' }>;

function toFailed(
  outcome: Failed,
  index: number,
  spelling: FieldMapping,
  mayRead: boolean,
): Failure {
  const { code, message, path } = outcome.failure;
  const { retryable, retryAfterMs, fault } = retryOf(outcome.failure);
  const { differingFields } = outcome;
  return {
    ...nameOf(outcome, index, spelling),
    code,
    // A kind may make both of what it was sent.
    message: shortenText(message),
    retryable,
    ...(fault && { fault }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(path !== undefined && { path: shortenText(spelling.pathOf(path)) }),
    ...(mayRead && currentOf(outcome)),
    ...(mayRead && differingFields && printDifferences(differingFields)),
    ...storedOf(outcome),
  };
}

function toResult(
  outcome: EventOutcome,
  index: number,
  spelling: FieldMapping,
  mayRead: boolean,
): Result {
  const named = { ...nameOf(outcome, index, spelling), status: outcome.status };
  if (outcome.status === 'failed') {
    return { ...named, code: outcome.failure.code, ...(mayRead && currentOf(outcome)) };
  }
  const { version, outcome: stored } = outcome.event;
  return {
    ...named,
    version,
    ...(outcome.status === 'duplicate' && stored !== 'conflict' && { original: toldAs(stored) }),
    ...(outcome.clockAdjusted && { clockAdjusted: true as const }),
    ...(mayRead && currentOf(outcome)),
  };
}

function toldAs(stored: Exclude<StoredOutcome, 'conflict'>) {
  return stored === 'merged' ? 'applied' : stored;
}

function nameOf({ identityKey }: EventOutcome, index: number, { alias }: FieldMapping) {
  return identityKey === null ? { identityKey, ...alias, index } : { identityKey, ...alias };
}

/** What a client needs to see whether its action is done already. */
function storedOf({ stored }: Failed): Pick<Failure, 'stored'> {
  if (!stored) return {};
  const { version, outcome, kind } = stored;
  return { stored: { version, outcome, kind } };
}

function currentOf({ current }: EventOutcome) {
  return current === undefined ? {} : { current };
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
