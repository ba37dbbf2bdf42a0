import type { KeyObject } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { isCapacityProblem } from '../../scheduling/refusals.ts';
import type { Dialect } from '../../protocol/dialect.ts';
import type { ProblemCode } from '../../domain/errors.ts';
import { createTenantHash, type TenantHash } from '../../observability/tenant-hash.ts';
import type { TokenProblem } from '../auth/token-error.ts';

/** What a route adds to its request's log line. Counts and times, never what was sent. */
export interface LogFields {
  code?: ProblemCode;
  /** Why a token was refused, which its sender is not told. */
  tokenFault?: TokenProblem;
  /** With RATE_LIMITED: which one was reached. */
  limit?: 'address' | 'tenant' | 'subject';
  /** Of a push, where it is not the plain one. */
  dialect?: Dialect['name'];
  records?: number;
  received?: number;
  applied?: number;
  noop?: number;
  superseded?: number;
  duplicate?: number;
  failed?: { readonly [code: string]: number };
  queueWaitMs?: number;
  transactionMs?: number;
}

declare module 'fastify' {
  interface FastifyRequest {
    logFields: LogFields;
  }
}

const traceparentPattern = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** One line a request, when its answer has left. */
export const observability = plugin<{ logHashKey: KeyObject }>(
  async (app, { logHashKey }) => {
    const hash = createTenantHash(logHashKey);
    app.decorateRequest('logFields');
    app.addHook('onRequest', async (request, reply) => {
      request.logFields = {};
      reply.header('x-request-id', request.id);
    });
    app.addHook('onResponse', async (request, reply) => {
      const line = requestLine(request, reply, hash);
      request.log[levelOf(request, reply)](line, 'request');
    });
  },
  { name: 'observability' },
);

function levelOf({ routeOptions, logFields }: FastifyRequest, reply: FastifyReply) {
  if (isCapacityProblem(logFields.code)) return 'warn';
  const isProbe = routeOptions.config.scope === undefined;
  return isProbe && reply.statusCode < 500 ? 'debug' : 'info';
}

/** The route's pattern, not the URL: a URL holds checkpoints, and whatever a scanner puts there. */
function requestLine(request: FastifyRequest, reply: FastifyReply, hash: TenantHash) {
  const { traceparent } = request.headers;
  const { actor } = request;
  const { queueWaitMs, transactionMs, ...fields } = request.logFields;
  return {
    event: 'request',
    method: request.method,
    route: request.routeOptions.url ?? null,
    status: reply.statusCode,
    ...(typeof traceparent === 'string' && traceparentPattern.test(traceparent) && { traceparent }),
    ...(actor && { tenant: hash(actor.tenantId), device: hashOfDevice(actor, hash) }),
    ...fields,
    ...(queueWaitMs !== undefined && { queueWaitMs: round(queueWaitMs) }),
    ...(transactionMs !== undefined && { transactionMs: round(transactionMs) }),
    totalMs: round(reply.elapsedTime),
  };
}

/** Its name may be what a client chose, and two tenants may use the same one. */
function hashOfDevice({ tenantId, deviceId }: FastifyRequest['actor'], hash: TenantHash) {
  return deviceId === null ? null : hash(`${tenantId}\n${deviceId}`);
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
