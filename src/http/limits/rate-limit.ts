import rateLimit, { normalizeIP, type RateLimitOptions } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { isIP } from 'node:net';
import type { EdgeConfig } from '../../config/config.ts';
import { RequestProblem } from '../../domain/errors.ts';

type LimitName = keyof EdgeConfig['rateLimits'];
type Limiter = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Asked by whoever runs the service: always answered, whatever else is refused. */
    readonly probe?: boolean;
  }
}

const windowMs = 60_000;
/** Keys that each limit remembers, the latest ones: memory stays the same whoever calls. */
const maxKeys = 10_000;
/** An IPv6 customer has at least as many addresses as this leaves out. */
const ipv6Prefix = 64;
/** Apart from each other, so that those refused together do not come back together. */
const jitterSeconds = 5;

/** By address, before anything else is asked of a request. */
export const addressLimit = plugin<{ limits: EdgeConfig['rateLimits'] }>(
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
 * By subject and by tenant, once the token has said who sends. The subject is asked first, so that one
 * that sends too much does not use up what its tenant may send.
 */
export const actorLimits = plugin<{ limits: EdgeConfig['rateLimits'] }>(
  async (app, { limits }) => {
    const ofSubject = createLimiter(app, 'subject', limits.subject, ({ actor }) =>
      JSON.stringify([actor.tenantId, actor.subject]),
    );
    const ofTenant = createLimiter(app, 'tenant', limits.tenant, ({ actor }) => actor.tenantId);
    if (ofSubject === undefined && ofTenant === undefined) return;
    app.addHook('onRequest', async (request, reply) => {
      const { actor } = request;
      if (actor === undefined) return;
      // Tokens without a subject are counted with their tenant alone.
      if (actor.subject !== null) await ofSubject?.(request, reply);
      await ofTenant?.(request, reply);
    });
  },
  { name: 'actor-limits', dependencies: ['auth', 'address-limit'] },
);

/** What a proxy forwards need not be an address: all that is none shares one key. */
function addressKey(ip: string | undefined): string {
  return ip !== undefined && isIP(ip) > 0 ? normalizeIP(ip, ipv6Prefix) : 'no address';
}

function createLimiter(
  app: FastifyInstance,
  name: LimitName,
  max: number | null,
  keyGenerator: (request: FastifyRequest) => string,
): Limiter | undefined {
  if (max === null) return undefined;
  const options: RateLimitOptions = { max, timeWindow: windowMs, cache: maxKeys, keyGenerator };
  const count = app.createRateLimit(options);
  return async (request, reply) => {
    const use = await count(request);
    if (use.isAllowed) return;
    const { remaining, ttlInSeconds } = use;
    // Of several limits the answer tells the one that is nearest.
    const nearest = reply.getHeader('ratelimit-remaining');
    if (nearest === undefined || remaining <= Number(nearest)) {
      reply.header('ratelimit-limit', max);
      reply.header('ratelimit-remaining', remaining);
      reply.header('ratelimit-reset', ttlInSeconds);
    }
    if (!use.isExceeded) return;
    request.logFields.limit = name;
    const detail = `More than ${max} requests of this ${name} within a minute.`;
    const retryAfter = ttlInSeconds + Math.floor(Math.random() * jitterSeconds);
    throw new RequestProblem('RATE_LIMITED', detail, { retryAfter });
  };
}
