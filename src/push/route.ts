import type { FastifyPluginAsync } from 'fastify';
import { RequestProblem } from '../errors.ts';
import type { KindRegistry } from '../kinds/registry.ts';
import type { CheckpointCodec } from '../protocol/checkpoint.ts';
import { describeFirst } from '../protocol/issue.ts';
import { type PushEnvelope, pushEnvelopeSchema, pushQuerySchema } from '../protocol/push.ts';
import { parseQuery } from '../protocol/query.ts';
import { toMicros } from '../protocol/time.ts';
import { countOutcomes, toPushAnswer } from './answer.ts';
import { createBatch } from './batch.ts';
import { decodeEvent } from './decode.ts';
import type { GroupCommit } from './group-commit.ts';
import type { BatchDecision } from './outcome.ts';

export interface PushDeps {
  readonly kinds: KindRegistry;
  readonly groupCommit: GroupCommit<BatchDecision>;
  readonly checkpoints: CheckpointCodec;
  readonly limits: { readonly maxBatchEvents: number; readonly maxEventBytes: number };
}

/** `POST /api/sync/events`: takes a queue in batches and answers for every event. */
export const pushRoutes: FastifyPluginAsync<PushDeps> = async (app, deps) => {
  const { kinds, groupCommit, checkpoints, limits } = deps;

  app.post('/api/sync/events', { config: { scope: 'sync:push' } }, async (request) => {
    const { include } = parseQuery(pushQuerySchema, request.query);
    const envelope = parseEnvelope(request.body, limits.maxBatchEvents);
    const { tenantId, deviceId, subject, scopes } = request.actor;
    const batch = createBatch({
      tenantId,
      deviceId,
      subject,
      sentAt: envelope.sentAt === undefined ? null : toMicros(envelope.sentAt),
      atomic: envelope.atomic,
      events: envelope.events.map((raw) => decodeEvent(raw, kinds, { ...limits, scopes })),
    });
    const { decision, queueWaitMs, transactionMs } = await groupCommit.submit(batch);
    const counts = countOutcomes(decision.outcomes);
    Object.assign(request.logFields, { ...counts, queueWaitMs, transactionMs });
    for (const { fault } of decision.outcomes) {
      if (fault === undefined) continue;
      request.log.error({ event: 'kind.failed', err: fault }, 'a kind failed on an event');
    }
    return toPushAnswer(decision, tenantId, checkpoints, include === 'results');
  });
};

function parseEnvelope(body: unknown, maxEvents: number): PushEnvelope {
  const parsed = pushEnvelopeSchema.safeParse(body);
  if (!parsed.success) {
    const { message, ...members } = describeFirst(parsed.error);
    throw new RequestProblem('INVALID_ENVELOPE', message, members);
  }
  const { length } = parsed.data.events;
  if (length === 0) throw new RequestProblem('EMPTY_BATCH');
  if (length > maxEvents) {
    const detail = `${length} events, at most ${maxEvents} are taken`;
    throw new RequestProblem('BATCH_TOO_LARGE', detail, { maxEvents });
  }
  return parsed.data;
}
