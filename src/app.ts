import { randomUUID } from 'node:crypto';
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { createAnswerBudget } from './http/limits/answer-budget.ts';
import { createBodyBudget } from './http/limits/body-budget.ts';
import { createReadLimiter } from './http/limits/read-limiter.ts';
import type { Config } from './config/config.ts';
import { conflictRoutes } from './http/routes/conflicts/route.ts';
import type { TrustProxy } from './config/network-settings.ts';
import { type HealthDeps, healthRoutes } from './http/routes/health/route.ts';
import { historyRoutes } from './http/routes/history/route.ts';
import type { KindRegistry } from './domain/kinds/registry.ts';
import { buildDocument } from './http/openapi/document.ts';
import { selectExamples } from './http/openapi/examples.ts';
import { apiPage } from './http/plugins/api-page.ts';
import { auth } from './http/auth/auth.ts';
import { createConnections } from './http/plugins/connections.ts';
import { cors } from './http/plugins/cors.ts';
import { deadline } from './http/plugins/deadline.ts';
import { answerBadUrl, errorHandler } from './http/plugins/error-handler.ts';
import { jsonBody } from './http/plugins/json-body.ts';
import { observability } from './http/plugins/observability.ts';
import { overload } from './http/limits/overload.ts';
import { actorLimits, addressLimit } from './http/limits/rate-limit.ts';
import { securityHeaders } from './http/plugins/security-headers.ts';
import { createCheckpointCodec } from './protocol/checkpoint.ts';
import { cacheCheckpoints } from './feed/checkpoint-cache.ts';
import { pullRoutes } from './http/routes/changes/route.ts';
import type { Batch } from './domain/decide/batch.ts';
import { decideBatchesInSteps } from './domain/decide/decide-batch.ts';
import { createExpectedBatchBytes } from './ingest/expected-bytes.ts';
import { KindFailureBackoff } from './ingest/kind-failure-backoff.ts';
import { createCommitQueue, type CommitQueue } from './ingest/commit-queue.ts';
import type { BatchDecision } from './domain/decide/outcome.ts';
import { createResendCounter } from './ingest/resend-counter.ts';
import { pushRoutes } from './http/routes/push/route.ts';
import type { AuditStore } from './audit/audit-store.ts';
import type { InstanceKeys } from './postgres/instance/instance-keys.ts';
import type { FeedStore } from './feed/feed-store.ts';
import type { IngestStore } from './ingest/ingest-store.ts';

export interface AppDeps {
  readonly config: Pick<
    Config,
    'auth' | 'limits' | 'maxGroupTenants' | 'groupCommit' | 'reads' | 'overload' | 'edge'
  >;
  readonly ingest: IngestStore;
  readonly feed: FeedStore;
  readonly audit: AuditStore;
  readonly kinds: KindRegistry;
  readonly keys: InstanceKeys;
  readonly logger: FastifyBaseLogger;
  readonly readiness: HealthDeps['readiness'];
  /** Whether the service will stop: each answer then ends its connection. By default never. */
  readonly isStopping?: () => boolean;
}

/** For headers, and for a request, to arrive whole: who trickles does not hold a socket for ever. */
const headersTimeoutMs = 15_000;
const requestTimeoutMs = 30_000;
/** How far a connection may be past those before somebody looks. */
const timeoutCheckMs = 1_000;
/** For the work on a request that has arrived. */
const handlerMs = 20_000;
/** Of that, for a push to wait: what remains is enough for a transaction and its tries. */
const maxCommitWaitMs = 8_000;
/** For a client that takes nothing of its answer. */
const connectionTimeoutMs = 60_000;
/** Longer than balancers keep an idle connection (60 s): the side that sends should close it. */
const keepAliveMs = 75_000;
/** A key of 200 characters may take twelve times as many in a URL. */
const maxParamLength = 2_400;
/** Bodies of the largest size that all requests, and those of one tenant, may hold at once. */
const maxBodies = 8;
const maxTenantBodies = 4;
/** Answers of the largest size that all clients, and those of one tenant, may have on their way. */
const maxAnswers = 32;
const maxTenantAnswers = 8;
/** What a crash may lose of the counts, and how soon they can be read. */
const replayDelayMs = 500;
const replayRetryMs = 10_000;
const maxWaitingReplays = 10_000;

/** The whole service but for its socket, its database and its environment. */
export async function buildApp(deps: AppDeps): Promise<FastifyInstance> {
  const { config, feed, audit, kinds, keys, logger } = deps;
  const connections = createConnections({ logger, isStopping: deps.isStopping ?? (() => false) });
  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    bodyLimit: config.limits.maxBodyBytes,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: connectionTimeoutMs,
    keepAliveTimeout: keepAliveMs,
    http: {
      headersTimeout: headersTimeoutMs,
      connectionsCheckingInterval: timeoutCheckMs,
      // Node would answer this one itself, with no body.
      requireHostHeader: false,
    },
    clientErrorHandler: connections.clientErrorHandler,
    // A request that reaches the service is answered, also when it is the last.
    return503OnClosing: false,
    trustProxy: toTrustProxy(config.edge.trustProxy),
    routerOptions: { maxParamLength },
    frameworkErrors: answerBadUrl,
  });

  const groupCommit = createPipeline(app, deps);
  const answers = createAnswerBudget({
    maxBytes: maxAnswers * config.limits.maxAnswerBytes,
    maxTenantBytes: maxTenantAnswers * config.limits.maxAnswerBytes,
  });
  const reads = createReadLimiter({
    ...config.reads,
    maxGroupTenants: config.maxGroupTenants,
    admitAnswer: (tenantId) => answers.admit(tenantId),
  });
  await app.register(observability, { logHashKey: keys.logHash });
  await app.register(errorHandler, { maxBodyBytes: config.limits.maxBodyBytes });
  await app.register(securityHeaders);
  await app.register(cors, { origins: config.edge.corsOrigins });
  connections.watch(app);
  await app.register(addressLimit, { limits: config.edge.rateLimits });
  await app.register(overload, {
    ...config.overload,
    maxBodyBytes: config.limits.maxBodyBytes,
    bodies: createBodyBudget({
      maxBytes: maxBodies * config.limits.maxBodyBytes,
      maxTenantBytes: maxTenantBodies * config.limits.maxBodyBytes,
    }),
    answers,
    isBusy: (tenantId) => groupCommit.isBusy(tenantId),
    isFull: (scope) => (scope === 'sync:push' ? groupCommit : reads).isFull(),
  });
  await app.register(auth, { config: config.auth });
  await app.register(actorLimits, { limits: config.edge.rateLimits });
  await app.register(deadline, { handlerMs });
  await app.register(jsonBody);
  await app.register(apiPage, {
    document: () => buildDocument(kinds, selectExamples(kinds)),
  });

  const checkpoints = createCheckpointCodec(keys.checkpoint);
  const failingKinds = new KindFailureBackoff(() => performance.now());
  await app.register(pushRoutes, {
    ...{ kinds, groupCommit, failingKinds, checkpoints, answers },
    limits: config.limits,
  });
  const known = cacheCheckpoints(checkpoints);
  await app.register(pullRoutes, {
    ...{ feed, reads, checkpoints: known, kinds },
    limits: config.limits,
  });
  await app.register(conflictRoutes, { kinds, audit, reads, groupCommit, limits: config.limits });
  await app.register(historyRoutes, { audit, reads, limits: config.limits });
  await app.register(healthRoutes, { readiness: deps.readiness });
  return app;
}

function toTrustProxy(trusted: TrustProxy) {
  if (typeof trusted === 'number') return (_address: string, hop: number) => hop < trusted;
  return trusted && [...trusted];
}

/** From batches to decisions that are stored; what was sent again is counted behind. */
function createPipeline(app: FastifyInstance, deps: AppDeps): CommitQueue<BatchDecision> {
  const { config, ingest, audit, kinds, logger } = deps;
  const rules = { ...config.limits, lifter: kinds.records };
  const replays = createResendCounter({
    write: (counts) => audit.addResends(counts),
    delayMs: replayDelayMs,
    retryMs: replayRetryMs,
    maxEvents: maxWaitingReplays,
    maxGroupTenants: config.maxGroupTenants,
    onFailed: (err, waiting) =>
      logger.warn({ event: 'replays.not-written', waiting, err }, 'replays could not be counted'),
  });
  app.addHook('onClose', () => replays.close());
  const expectedBytes = createExpectedBatchBytes();
  return createCommitQueue<BatchDecision>({
    ...config.groupCommit,
    expectedBytesOf: (batch) => expectedBytes.of(batch),
    maxGroupTenants: config.maxGroupTenants,
    maxWaitMs: maxCommitWaitMs,
    async commit(batches) {
      const decisions = await ingest.ingest(batches, (snapshot, ofTenant: readonly Batch[]) => {
        expectedBytes.learn(snapshot);
        return decideBatchesInSteps(snapshot, ofTenant, rules);
      });
      replays.count(batches, decisions);
      return decisions;
    },
    onIsolate: (batches, error) =>
      logger.warn({ event: 'group.isolated', batches, err: error }, 'a group is run one by one'),
  });
}
