import fastifyCors from '@fastify/cors';
import type { FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';

const allowedHeaders = [
  'Authorization',
  'Content-Type',
  'Content-Encoding',
  'If-None-Match',
  'Traceparent',
];
const exposedHeaders = [
  'ETag',
  'Retry-After',
  'X-Request-Id',
  'RateLimit-Limit',
  'RateLimit-Remaining',
  'RateLimit-Reset',
];
/** The longest that browsers keep a preflight's answer, in seconds. */
const maxAge = 7_200;

/**
 * Lets the pages of these origins read the answers, refusals too. Without credentials: the token is no
 * cookie. To all other origins an answer says nothing, and their preflight is an OPTIONS like any.
 */
export const cors = plugin<{ origins: readonly string[] }>(
  async (app, { origins }) => {
    if (origins.length === 0) return;
    const listed = new Set(origins);

    const optionsOf = (request: FastifyRequest) => {
      const { origin = '' } = request.headers;
      const asked = request.headers['access-control-request-method'];
      const preflight = request.method === 'OPTIONS' && asked !== undefined;
      const methods = preflight ? app.methodsOf(request.url) : [];
      // A path that is not there has nothing to allow.
      const isAnswered = listed.has(origin) && (!preflight || methods.length > 0);
      const shared = { allowedHeaders, exposedHeaders, maxAge, preflight, methods: [...methods] };
      return { ...shared, origin: isAnswered && origin };
    };
    await app.register(fastifyCors, {
      delegator: (request, callback) => callback(null, optionsOf(request)),
    });
  },
  { name: 'cors', dependencies: ['error-handler'] },
);
