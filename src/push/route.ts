import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { dialectOf } from '../dialects/dialect-of.ts';
import type { Dialect, Reading } from '../dialects/dialect.ts';
import { sales } from '../dialects/sales.ts';
import { RequestProblem } from '../errors.ts';
import type { KindRegistry } from '../kinds/registry.ts';
import type { CheckpointCodec } from '../protocol/checkpoint.ts';
import { pushQuerySchema } from '../protocol/push.ts';
import { parseQuery } from '../protocol/request.ts';
import { toMicros } from '../protocol/time.ts';
import { countOutcomes, toPushAnswer } from './answer.ts';
import { createBatch } from './batch.ts';
import { type DecodeResult, decodeEvent } from './decode.ts';
import type { FailingKinds } from './failing-kinds.ts';
import type { GroupCommit } from './group-commit.ts';
import type { BatchDecision } from './outcome.ts';

export interface PushDeps {
  readonly kinds: KindRegistry;
  readonly groupCommit: GroupCommit<BatchDecision>;
  readonly failingKinds: FailingKinds;
  readonly checkpoints: CheckpointCodec;
  readonly limits: { readonly maxBatchEvents: number; readonly maxEventBytes: number };
}

/** Takes a queue in batches and answers for every event, on two paths and in four dialects. */
export const pushRoutes: FastifyPluginAsync<PushDeps> = async (app, deps) => {
  const options = { config: { scope: 'sync:push' } } as const;
  app.post('/api/sync/events', options, (request) => push(request, dialectOf(request.body), deps));
  app.post('/api/events', options, (request) => push(request, sales, deps));
};

async function push(request: FastifyRequest, dialect: Dialect, deps: PushDeps) {
  if (dialect.name !== 'plain') request.logFields.dialect = dialect.name;
  const { include } = parseQuery(pushQuerySchema, request.query);
  const envelope = dialect.envelopeOf(request.body);
  checkSize(envelope.events.length, deps.limits.maxBatchEvents);
  const readings = envelope.events.map(dialect.read);
  const { tenantId, deviceId, subject, scopes } = request.actor;
  const batch = createBatch({
    tenantId,
    deviceId,
    subject,
    sentAt: envelope.sentAt === undefined ? null : toMicros(envelope.sentAt),
    atomic: envelope.atomic,
    events: readings.map((reading) => decodeReading(reading, scopes, deps)),
  });
  const { decision, queueWaitMs, transactionMs } = await deps.groupCommit.submit(batch);
  const outcomes = deps.failingKinds.tell(batch.events, decision.outcomes);
  const counts = countOutcomes(outcomes);
  Object.assign(request.logFields, { ...counts, queueWaitMs, transactionMs });
  for (const { fault } of outcomes) {
    if (fault === undefined) continue;
    request.log.error({ event: 'kind.failed', err: fault }, 'a kind failed on an event');
  }
  const withResults = include === 'results';
  return dialect.answerOf(
    toPushAnswer({ ...decision, outcomes }, tenantId, deps.checkpoints, withResults, readings),
  );
}

function decodeReading(
  reading: Reading,
  scopes: readonly string[],
  { kinds, limits }: PushDeps,
): DecodeResult {
  if (reading.ok) return decodeEvent(reading.event, kinds, { ...limits, scopes });
  const { identityKey, failure } = reading;
  return { ok: false, undecoded: { identityKey, failure } };
}

function checkSize(events: number, maxEvents: number): void {
  if (events === 0) throw new RequestProblem('EMPTY_BATCH');
  if (events <= maxEvents) return;
  const detail = `${events} events, at most ${maxEvents} are taken`;
  throw new RequestProblem('BATCH_TOO_LARGE', detail, { maxEvents });
}
