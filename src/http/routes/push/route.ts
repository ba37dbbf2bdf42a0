import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { AnswerBudget } from '../../limits/memory-budgets.ts';
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
import { printPushAnswer, toPushAnswer } from '../../../protocol/push-answer.ts';
import { countOutcomes, createBatch, type EventOutcome } from '../../../domain/decide/batch.ts';
import { parseQuery } from '../../../protocol/request.ts';
import {
  type DecodeResult,
  decodeEvent,
  type EventSender,
} from '../../../domain/decide/decode-event.ts';
import type { IngestService } from '../../../ingest/ingest-service.ts';
import { type KindError, toKindErrorFields } from '../../../observability/kind-errors.ts';

export interface PushDeps {
  readonly kinds: KindRegistry;
  readonly ingest: Pick<IngestService, 'submit'>;
  readonly checkpoints: CheckpointCodec;
  readonly answers: Pick<AnswerBudget, 'remainingBytes'>;
  readonly limits: {
    readonly maxBatchEvents: number;
    readonly maxEventBytes: number;
    readonly maxAnswerBytes: number;
  };
}

/** `POST /api/sync/events`, and the routes of dialects that have their own: a batch of events in, one result per event out. */
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
  assertBatchSize(envelope.events.length, deps.limits.maxBatchEvents);
  const adaptedEvents = envelope.events.map((raw, index) =>
    adaptEvent(dialect, raw, request.duplicateMembers.get(index)),
  );
  const { tenantId, deviceId, subject, scopes } = request.actor;
  const batch = createBatch({
    tenantId,
    deviceId,
    subject,
    sentAt: envelope.sentAt ?? null,
    atomic: envelope.atomic,
    keepsConflicts: envelope.conflicts === 'keep',
    bringsRecords: include.includes('records'),
    events: adaptedEvents.map((adapted) => decodeAdaptedEvent(adapted, request.actor, deps)),
  });
  const { decision, queueWaitMs, transactionMs } = await deps.ingest.submit(batch);
  const { outcomes } = decision;
  Object.assign(request.logFields, { ...countOutcomes(outcomes), queueWaitMs, transactionMs });
  logKindErrors(request, outcomes, adaptedEvents, deps.kinds);
  const answer = toPushAnswer(decision, tenantId, deps.checkpoints, {
    includeResults: include.length > 0,
    mayRead: scopes.includes('sync:pull'),
    fieldMappings: adaptedEvents,
  });
  const adaptedAnswer = dialect.adaptAnswer({
    ...answer,
    ...(isSentAtIgnored(request.body, envelope) && { sentAtIgnored: true }),
  });
  const maxBytes = Math.min(deps.limits.maxAnswerBytes, deps.answers.remainingBytes(tenantId));
  reply.type('application/json; charset=utf-8');
  return reply.send(printPushAnswer(adaptedAnswer, maxBytes));
}

/** @param duplicateMember the name of a member that the event has twice */
function adaptEvent(
  dialect: Dialect,
  raw: unknown,
  duplicateMember: string | undefined,
): AdaptedEvent {
  const adapted = dialect.adapt(raw);
  return duplicateMember === undefined ? adapted : refuseDuplicateMember(adapted, duplicateMember);
}

function decodeAdaptedEvent(
  adapted: AdaptedEvent,
  sender: EventSender,
  { kinds, limits }: PushDeps,
): DecodeResult {
  if (adapted.ok) return decodeEvent(adapted.event, kinds, { ...limits, sender });
  const { identityKey, failure } = adapted;
  return { ok: false, undecoded: { identityKey, failure } };
}

/** The answer does not show what the code of a kind has thrown, so the log shows it: one line per request. */
function logKindErrors(
  request: FastifyRequest,
  outcomes: readonly EventOutcome[],
  adaptedEvents: readonly AdaptedEvent[],
  kinds: KindRegistry,
): void {
  const errors = outcomes.flatMap(({ fault, identityKey }, index): KindError[] => {
    const adapted = adaptedEvents[index];
    if (fault === undefined || !adapted?.ok) return [];
    const { kind, version } = Object(adapted.event);
    const name = kinds.find(String(kind))?.name ?? 'unknown';
    return [{ kind: name, kindVersion: Number(version ?? 1), identityKey, fault }];
  });
  const [first, ...others] = errors;
  if (first) request.log.error(toKindErrorFields([first, ...others]), 'kinds failed on events');
}

function assertBatchSize(eventCount: number, maxEvents: number): void {
  if (eventCount === 0) throw new RequestProblem('EMPTY_BATCH');
  if (eventCount <= maxEvents) return;
  const detail = `${eventCount} events, at most ${maxEvents} are taken`;
  throw new RequestProblem('BATCH_TOO_LARGE', detail, { maxEvents });
}
