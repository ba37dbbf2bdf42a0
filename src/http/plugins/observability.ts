import type { KeyObject } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { isCapacityProblem } from '../../scheduling/refusals.ts';
import type { Dialect } from '../../protocol/dialect.ts';
import type { ProblemCode } from '../../domain/errors.ts';
import { createTenantHash, type TenantHash } from '../../observability/tenant-hash.ts';
import type { TokenProblem } from '../auth/token.ts';

/** The fields that a route adds to the log line of its request: counts and times, never client data. */
export interface LogFields {
  code?: ProblemCode;
  /** Why a token was refused. The answer does not tell this. */
  tokenFault?: TokenProblem;
  /** The limit that was exceeded. Set with RATE_LIMITED. */
  limit?: 'address' | 'tenant' | 'subject';
  /** The dialect of a push. Not set for the plain dialect. */
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

/** Logs one line per request, after its answer was sent. */
export const observability = plugin<{ logHashKey: KeyObject }>(
  async (app, { logHashKey }) => {
    const hashTenant = createTenantHash(logHashKey);
    app.decorateRequest('logFields');
    app.addHook('onRequest', (request, reply, done) => {
      request.logFields = {};
      reply.header('x-request-id', request.id);
      done();
    });
    app.addHook('onResponse', (request, reply, done) => {
      const line = requestLine(request, reply, hashTenant);
      request.log[levelOf(request, reply)](line, 'request');
      done();
    });
  },
  { name: 'observability' },
);

function levelOf({ routeOptions, logFields }: FastifyRequest, reply: FastifyReply) {
  if (isCapacityProblem(logFields.code)) return 'warn';
  const isProbe = routeOptions.config.scope === undefined;
  return isProbe && reply.statusCode < 500 ? 'debug' : 'info';
}

/** The line has the pattern of the route, not the URL: a URL holds a checkpoint or a scanner's input. */
function requestLine(request: FastifyRequest, reply: FastifyReply, hashTenant: TenantHash) {
  const { traceparent } = request.headers;
  const { actor } = request;
  const { queueWaitMs, transactionMs, ...fields } = request.logFields;
  return {
    event: 'request',
    method: request.method,
    route: request.routeOptions.url ?? null,
    status: reply.statusCode,
    ...(typeof traceparent === 'string' && traceparentPattern.test(traceparent) && { traceparent }),
    ...(actor && { tenant: hashTenant(actor.tenantId), device: hashDevice(actor, hashTenant) }),
    ...fields,
    ...(queueWaitMs !== undefined && { queueWaitMs: round(queueWaitMs) }),
    ...(transactionMs !== undefined && { transactionMs: round(transactionMs) }),
    totalMs: round(reply.elapsedTime),
  };
}

/** The hash includes the tenant, because two tenants may use the same device id. */
function hashDevice({ tenantId, deviceId }: FastifyRequest['actor'], hashTenant: TenantHash) {
  return deviceId === null ? null : hashTenant(`${tenantId}\n${deviceId}`);
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
