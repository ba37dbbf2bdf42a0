import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import type { AuditStore } from './audit/audit-store.ts';
import type { Config } from './config/config.ts';
import type { KindRegistry } from './domain/kinds/registry.ts';
import { cacheCheckpoints } from './feed/checkpoint-cache.ts';
import type { FeedStore } from './feed/feed-store.ts';
import { auth } from './http/auth/auth.ts';
import { createLimits } from './http/limits/create-limits.ts';
import { overload } from './http/limits/overload.ts';
import { actorLimits, addressLimit } from './http/limits/rate-limit.ts';
import { buildDocument } from './http/openapi/document.ts';
import { selectExamples } from './http/openapi/examples.ts';
import { apiPage } from './http/plugins/api-page.ts';
import { createConnections } from './http/plugins/connections.ts';
import { cors } from './http/plugins/cors.ts';
import { deadline } from './http/plugins/deadline.ts';
import { errorHandler } from './http/plugins/error-handler.ts';
import { jsonBody } from './http/plugins/json-body.ts';
import { observability } from './http/plugins/observability.ts';
import { securityHeaders } from './http/plugins/security-headers.ts';
import { pullRoutes } from './http/routes/changes/route.ts';
import { conflictRoutes } from './http/routes/conflicts/route.ts';
import { type HealthDeps, healthRoutes } from './http/routes/health/route.ts';
import { historyRoutes } from './http/routes/history/route.ts';
import { pushRoutes } from './http/routes/push/route.ts';
import { createServerOptions, handlerMs } from './http/server-options.ts';
import { createIngestService } from './ingest/ingest-service.ts';
import type { IngestStore } from './ingest/ingest-store.ts';
import { createResendCounter, resendCounterTiming } from './ingest/resend-counter.ts';
import type { InstanceKeys } from './postgres/instance/instance-keys.ts';
import { createCheckpointCodec } from './protocol/checkpoint.ts';

export interface AppDeps {
  readonly config: Pick<
    Config,
    'auth' | 'limits' | 'maxGroupTenants' | 'commitQueue' | 'reads' | 'overload' | 'edge'
  >;
  readonly stores: {
    readonly ingest: IngestStore;
    readonly feed: FeedStore;
    readonly audit: AuditStore;
  };
  readonly kinds: KindRegistry;
  readonly keys: InstanceKeys;
  readonly logger: FastifyBaseLogger;
  readonly readiness: HealthDeps['readiness'];
  /** Whether the service is about to stop. Each answer then closes its connection. By default never. */
  readonly isStopping?: () => boolean;
}

/** Composes the whole service, without its socket, its database and its environment. */
export async function buildApp(deps: AppDeps): Promise<FastifyInstance> {
  const { config, stores, kinds, keys, logger } = deps;
  const { audit, feed } = stores;
  const { limits, maxGroupTenants } = config;
  const connections = createConnections({ logger, isStopping: deps.isStopping ?? (() => false) });
  const app = fastify(createServerOptions(config, connections, logger));

  const ingest = createIngestService({
    ...{ store: stores.ingest, kinds, limits },
    queue: { ...config.commitQueue, maxGroupTenants },
    onGroupDissolved: (batches, err) =>
      logger.warn({ event: 'group.isolated', batches, err }, 'a group is run one by one'),
  });
  const resends = createResendCounter({
    ...{ ...resendCounterTiming, maxGroupTenants },
    write: (counts) => audit.addResends(counts),
    onFailed: (err, waiting) =>
      logger.warn({ event: 'resends.not-written', waiting, err }, 'resends could not be counted'),
  });
  ingest.onCommitted(resends.count);
  app.addHook('onClose', () => resends.close());

  const { answers, bodies, reads } = createLimits(config);
  await app.register(observability, { logHashKey: keys.logHash });
  await app.register(errorHandler, { maxBodyBytes: limits.maxBodyBytes });
  await app.register(securityHeaders);
  await app.register(cors, { origins: config.edge.corsOrigins });
  connections.watch(app);
  await app.register(addressLimit, { limits: config.edge.rateLimits });
  await app.register(overload, {
    ...{ ...config.overload, maxBodyBytes: limits.maxBodyBytes, bodies, answers },
    ...{ pushes: ingest, reads },
  });
  await app.register(auth, { config: config.auth });
  await app.register(actorLimits, { limits: config.edge.rateLimits });
  await app.register(deadline, { handlerMs });
  await app.register(jsonBody);
  await app.register(apiPage, { document: () => buildDocument(kinds, selectExamples(kinds)) });

  const checkpoints = createCheckpointCodec(keys.checkpoint);
  await app.register(pushRoutes, { kinds, ingest, checkpoints, answers, limits });
  await app.register(pullRoutes, {
    ...{ feed, reads, checkpoints: cacheCheckpoints(checkpoints), kinds, limits },
  });
  await app.register(conflictRoutes, { kinds, audit, reads, ingest, limits });
  await app.register(historyRoutes, { audit, reads, limits });
  await app.register(healthRoutes, { readiness: deps.readiness });
  return app;
}
