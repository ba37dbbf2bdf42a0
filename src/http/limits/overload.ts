import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequestProblem } from '../../domain/errors.ts';
import plugin from 'fastify-plugin';
import type { AnswerBudget, BodyBudget, BodyShare } from './memory-budgets.ts';
import { watchEventLoopDelay, watchLiveHeap } from './process-load.ts';
import { overloadedError, tenantBusyError } from '../../scheduling/refusals.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set if the route accepts a body and the actor may send one. */
    bodyShare: BodyShare | undefined;
  }
}

export interface OverloadOptions {
  /** The maximum delay of the event loop in milliseconds, sustained over a second. */
  readonly maxEventLoopDelayMs: number;
  /** The maximum of bytes in use on the heap after a major garbage collection. */
  readonly maxHeapBytes: number;
  readonly maxBodyBytes: number;
  readonly bodies: BodyBudget;
  readonly answers: AnswerBudget;
  readonly pushes: {
    /** Whether the maximum of the tenant's pushes waits. */
    isBusy(tenantId: string): boolean;
    /** Whether the maximum of pushes waits. */
    isFull(): boolean;
  };
  /** Tells whether the maximum of reads waits. */
  readonly reads: { isFull(): boolean };
}

/** How fast refusals grow with the excess. At 1.5 times the limit, four of five requests are refused. */
const steepness = 4;

/**
 * Refuses requests when the service is overloaded. A request is refused before its token is checked and
 * before its body is read, because a refusal must cost very little. The rest of a refused body is read
 * and discarded, so that the client receives the answer and keeps its connection.
 */
export const overload = plugin<OverloadOptions>(
  async (app, options) => {
    const { maxEventLoopDelayMs, maxHeapBytes, maxBodyBytes } = options;
    const { bodies, answers, pushes, reads } = options;
    const delay = watchEventLoopDelay();
    const heap = watchLiveHeap();
    app.addHook('onClose', async () => {
      delay.close();
      heap.close();
    });

    function mustRefuse({ routeOptions, headers }: FastifyRequest): boolean {
      const { probe, scope } = routeOptions.config;
      if (probe === true) return false;
      if (heap.bytes() > maxHeapBytes) return true;
      if (isRandomlyRefused(delay.ms(), maxEventLoopDelayMs)) return true;
      if (answers.isFull()) return true;
      if (scope === undefined) return false;
      const announcedBytes = Number(headers['content-length'] ?? 0);
      const queue = scope === 'sync:push' ? pushes : reads;
      return queue.isFull() || bodies.isFull(Math.min(announcedBytes, maxBodyBytes));
    }

    /** @throws RequestProblem TENANT_BUSY or OVERLOADED */
    function admit(request: FastifyRequest, reply: FastifyReply): void {
      const { probe, scope } = request.routeOptions.config;
      if (probe !== true) answers.admit(request.actor?.tenantId);
      if (scope !== 'sync:push') return;
      const { tenantId } = request.actor;
      // The push is refused before its body is read: reading is the most expensive part of a refusal.
      if (pushes.isBusy(tenantId)) throw tenantBusyError();
      const share = bodies.open(tenantId);
      request.bodyShare = share;
      reply.raw.once('close', () => share.release());
    }

    app.decorateRequest('bodyShare');
    app.addHook('onRequest', (request, _reply, done) => {
      done(mustRefuse(request) ? overloadedError() : undefined);
    });
    app.addHook('preParsing', (request, reply, payload, done) => {
      try {
        admit(request, reply);
      } catch (error) {
        return done(
          error instanceof Error ? error : new RequestProblem('INTERNAL', undefined, {}, error),
        );
      }
      done(null, payload);
    });
    app.addHook('onSend', (request, reply, payload, done) => {
      const bytes = byteLengthOf(payload);
      // If the client has left already, there is no second `close` event that would give the bytes back.
      if (bytes > 0 && !reply.raw.destroyed) {
        reply.raw.once('close', answers.hold(request.actor?.tenantId, bytes));
      }
      done();
    });
  },
  { name: 'overload', dependencies: ['error-handler'] },
);

/** A stream counts as 0 bytes: it is read only as fast as the client receives it. */
function byteLengthOf(payload: unknown): number {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  return Buffer.isBuffer(payload) ? payload.length : 0;
}

/**
 * Chance decides, so that a part of the requests is refused at any moment. A fixed threshold would refuse
 * all of them, and then none.
 */
function isRandomlyRefused(value: number, limit: number): boolean {
  return value > limit && Math.random() > (limit / value) ** steepness;
}
