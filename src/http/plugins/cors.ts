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
/** How long browsers cache the answer to a preflight, in seconds. Chromium allows no longer time. */
const maxAge = 7_200;

/**
 * Lets pages of the listed origins read all answers, including refusals. Credentials are not allowed,
 * because the token is no cookie. An answer to another origin has no CORS headers, and its preflight is
 * handled like any OPTIONS request.
 */
export const cors = plugin<{ origins: readonly string[] }>(
  async (app, { origins }) => {
    if (origins.length === 0) return;
    const allowedOrigins = new Set(origins);

    const corsOptions = (request: FastifyRequest) => {
      const { origin = '' } = request.headers;
      const requestedMethod = request.headers['access-control-request-method'];
      const preflight = request.method === 'OPTIONS' && requestedMethod !== undefined;
      const methods = preflight ? app.methodsOf(request.url) : [];
      // A preflight for an unknown path gets no CORS headers.
      const isAllowed = allowedOrigins.has(origin) && (!preflight || methods.length > 0);
      const options = { allowedHeaders, exposedHeaders, maxAge, preflight, methods: [...methods] };
      return { ...options, origin: isAllowed && origin };
    };
    await app.register(fastifyCors, {
      delegator: (request, callback) => callback(null, corsOptions(request)),
    });
  },
  { name: 'cors', dependencies: ['error-handler'] },
);
