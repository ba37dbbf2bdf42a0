import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { AnswerBudget } from '../../limits/answer-budget.ts';
import { dialectOf, dialectsFor } from '../../../systems/dialects.ts';
import {
  type Dialect,
  type AdaptedEvent,
  refuseDuplicateMember,
} from '../../../protocol/dialect.ts';
import { RequestProblem } from '../../../domain/errors.ts';
import type { KindRegistry } from '../../../domain/kinds/registry.ts';
import type { CheckpointCodec } from '../../../protocol/checkpoint.ts';
import { isSentAtIgnored, pushQuerySchema } from '../../../protocol/push.ts';
import { printPushAnswer } from '../../../protocol/print-push-answer.ts';
import { parseQuery } from '../../../protocol/request.ts';
import { countOutcomes, toPushAnswer } from '../../../protocol/push-results.ts';
import { createBatch } from '../../../domain/decide/batch.ts';
import {
  type DecodeResult,
  decodeEvent,
  type EventSender,
} from '../../../domain/decide/decode-event.ts';
import type { KindFailureBackoff } from '../../../ingest/kind-failure-backoff.ts';
import type { CommitQueue } from '../../../ingest/commit-queue.ts';
import { type KindError, toKindErrorFields } from '../../../observability/kind-errors.ts';
import type { BatchDecision } from '../../../domain/decide/outcome.ts';

export interface PushDeps {
  readonly kinds: KindRegistry;
  readonly groupCommit: CommitQueue<BatchDecision>;
  readonly failingKinds: KindFailureBackoff;
  readonly checkpoints: CheckpointCodec;
  readonly answers: Pick<AnswerBudget, 'remainingBytes'>;
  readonly limits: {
    readonly maxBatchEvents: number;
    readonly maxEventBytes: number;
    readonly maxAnswerBytes: number;
  };
}

/** Takes a queue in batches and answers for every event, in the dialects that its kinds have. */
export const pushRoutes: FastifyPluginAsync<PushDeps> = async (app, deps) => {
  const options = { config: { scope: 'sync:push' } } as const;
  const dialects = dialectsFor((name) => deps.kinds.find(name) !== undefined);
  app.post('/api/sync/events', options, (request, reply) =>
    push(request, reply, dialectOf(request.body, dialects), deps),
  );
  for (const dialect of dialects) {
    const path = dialect.description.route?.path;
    if (path === undefined) continue;
    app.post(path, options, (request, reply) => push(request, reply, dialect, deps));
  }
};

async function push(
  request: FastifyRequest,
  reply: FastifyReply,
  dialect: Dialect,
  deps: PushDeps,
) {
  if (dialect.name !== 'plain') request.logFields.dialect = dialect.name;
  const { include = [] } = parseQuery(pushQuerySchema, request.query);
  const envelope = dialect.parseEnvelope(request.body);
  checkSize(envelope.events.length, deps.limits.maxBatchEvents);
  const readings = envelope.events.map((raw, index) =>
    readEvent(dialect, raw, request.duplicateMembers.get(index)),
  );
  const { tenantId, deviceId, subject } = request.actor;
  const batch = createBatch({
    tenantId,
    deviceId,
    subject,
    sentAt: envelope.sentAt ?? null,
    atomic: envelope.atomic,
    keepsConflicts: envelope.conflicts === 'keep',
    bringsRecords: include.includes('records'),
    events: readings.map((reading) => decodeReading(reading, request.actor, deps)),
  });
  const { decision, queueWaitMs, transactionMs } = await deps.groupCommit.submit(batch);
  const outcomes = deps.failingKinds.tell(batch.events, decision.outcomes);
  const counts = countOutcomes(outcomes);
  Object.assign(request.logFields, { ...counts, queueWaitMs, transactionMs });
  const [first, ...others] = faultsOf(outcomes, readings, deps.kinds);
  if (first) request.log.error(toKindErrorFields([first, ...others]), 'kinds failed on events');
  const answer = toPushAnswer({ ...decision, outcomes }, tenantId, deps.checkpoints, {
    includeResults: include.length > 0,
    mayRead: request.actor.scopes.includes('sync:pull'),
    spellings: readings,
  });
  const maxBytes = Math.min(deps.limits.maxAnswerBytes, deps.answers.remainingBytes(tenantId));
  const told = dialect.adaptAnswer({
    ...answer,
    ...(isSentAtIgnored(request.body, envelope) && { sentAtIgnored: true }),
  });
  const printed = printPushAnswer(told, maxBytes);
  return reply.type('application/json; charset=utf-8').send(printed);
}

/** @param duplicate the member that stands twice in the event */
function readEvent(dialect: Dialect, raw: unknown, duplicate: string | undefined): AdaptedEvent {
  const reading = dialect.adapt(raw);
  return duplicate === undefined ? reading : refuseDuplicateMember(reading, duplicate);
}

function faultsOf(
  outcomes: BatchDecision['outcomes'],
  readings: readonly AdaptedEvent[],
  kinds: KindRegistry,
): readonly KindError[] {
  return outcomes.flatMap(({ fault, identityKey }, index) => {
    const reading = readings[index];
    if (fault === undefined || !reading?.ok) return [];
    const { kind, version } = Object(reading.event);
    const name = kinds.find(String(kind))?.name ?? 'unknown';
    return [{ kind: name, kindVersion: Number(version ?? 1), identityKey, fault }];
  });
}

function decodeReading(
  reading: AdaptedEvent,
  sender: EventSender,
  { kinds, limits }: PushDeps,
): DecodeResult {
  if (reading.ok) return decodeEvent(reading.event, kinds, { ...limits, sender });
  const { identityKey, failure } = reading;
  return { ok: false, undecoded: { identityKey, failure } };
}

function checkSize(events: number, maxEvents: number): void {
  if (events === 0) throw new RequestProblem('EMPTY_BATCH');
  if (events <= maxEvents) return;
  const detail = `${events} events, at most ${maxEvents} are taken`;
  throw new RequestProblem('BATCH_TOO_LARGE', detail, { maxEvents });
}
