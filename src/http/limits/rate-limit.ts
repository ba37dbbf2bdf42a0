import rateLimit, { normalizeIP, type RateLimitOptions } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { isIP } from 'node:net';
import type { Config } from '../../config/config.ts';
import { RequestProblem } from '../../domain/errors.ts';

type LimitName = keyof Config['edge']['rateLimits'];
type Limiter = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A health check for operators. It is always answered, also during an overload. */
    readonly probe?: boolean;
  }
}

const windowMs = 60_000;
/** The most recent keys that each limit remembers. This bounds the memory, however many clients call. */
const maxKeys = 10_000;
/** An IPv6 customer has at least a /64 network, so its addresses count together. */
const ipv6Prefix = 64;
/** Spreads the retries of clients that were refused at the same time. */
const jitterSeconds = 5;

/** Limits requests by client address. This limit is checked first. */
export const addressLimit = plugin<{ limits: Config['edge']['rateLimits'] }>(
  async (app, { limits }) => {
    await app.register(rateLimit, { global: false });
    const limit = createLimiter(app, 'address', limits.address, ({ ip }) => addressKey(ip));
    if (limit === undefined) return;
    app.addHook('onRequest', async (request, reply) => {
      if (request.routeOptions.config.probe !== true) await limit(request, reply);
    });
  },
  { name: 'address-limit', dependencies: ['error-handler'] },
);

/**
 * Limits requests by subject and by tenant, after authentication. The subject's limit is checked first,
 * so that a subject that sends too much does not use up the limit of its tenant.
 */
export const actorLimits = plugin<{ limits: Config['edge']['rateLimits'] }>(
  async (app, { limits }) => {
    const limitSubject = createLimiter(app, 'subject', limits.subject, ({ actor }) =>
      JSON.stringify([actor.tenantId, actor.subject]),
    );
    const limitTenant = createLimiter(app, 'tenant', limits.tenant, ({ actor }) => actor.tenantId);
    if (limitSubject === undefined && limitTenant === undefined) return;
    app.addHook('onRequest', async (request, reply) => {
      const { actor } = request;
      if (actor === undefined) return;
      // A token without a subject counts only for its tenant.
      if (actor.subject !== null) await limitSubject?.(request, reply);
      await limitTenant?.(request, reply);
    });
  },
  { name: 'actor-limits', dependencies: ['auth', 'address-limit'] },
);

/** A proxy can forward a text that is no address. All such texts share one key. */
function addressKey(ip: string | undefined): string {
  return ip !== undefined && isIP(ip) > 0 ? normalizeIP(ip, ipv6Prefix) : 'no address';
}

/** @returns undefined if there is no maximum */
function createLimiter(
  app: FastifyInstance,
  name: LimitName,
  max: number | null,
  keyGenerator: (request: FastifyRequest) => string,
): Limiter | undefined {
  if (max === null) return undefined;
  const options: RateLimitOptions = { max, timeWindow: windowMs, cache: maxKeys, keyGenerator };
  const countRequest = app.createRateLimit(options);
  return async (request, reply) => {
    const usage = await countRequest(request);
    if (usage.isAllowed) return;
    const { remaining, ttlInSeconds } = usage;
    // If several limits apply, the headers show the one with the fewest remaining requests.
    const shownRemaining = reply.getHeader('ratelimit-remaining');
    if (shownRemaining === undefined || remaining <= Number(shownRemaining)) {
      reply.header('ratelimit-limit', max);
      reply.header('ratelimit-remaining', remaining);
      reply.header('ratelimit-reset', ttlInSeconds);
    }
    if (!usage.isExceeded) return;
    request.logFields.limit = name;
    const detail = `More than ${max} requests of this ${name} within a minute.`;
    const retryAfter = ttlInSeconds + Math.floor(Math.random() * jitterSeconds);
    throw new RequestProblem('RATE_LIMITED', detail, { retryAfter });
  };
}
