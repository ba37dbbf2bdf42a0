import type { FastifyContextConfig, FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import type { AnswerBudget } from './answer-budget.ts';
import type { BodyBudget, BodyShare } from './body-budget.ts';
import { watchLiveHeap } from './live-heap.ts';
import { watchEventLoopDelay } from './event-loop-delay.ts';
import { overloadedError, tenantBusyError } from '../../scheduling/refusals.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set where a body may come, by somebody who may send it. */
    bodyShare: BodyShare | undefined;
  }
}

export interface OverloadOptions {
  /** Milliseconds that a turn of the event loop may take, on average, for a second on end. */
  readonly maxEventLoopDelayMs: number;
  /** Of what is left after a collection. */
  readonly maxHeapBytes: number;
  readonly maxBodyBytes: number;
  readonly bodies: BodyBudget;
  readonly answers: AnswerBudget;
  /** Whether as many pushes of the tenant wait as may. */
  readonly isBusy: (tenantId: string) => boolean;
  /** Whether what waits of this scope leaves no room for more. */
  readonly isFull: (scope: NonNullable<FastifyContextConfig['scope']>) => boolean;
}

/** How fast refusals grow with the excess: at one and a half times the limit it is four of five. */
const steepness = 4;

/**
 * Refuses what there is no room for, before its token is checked and its body is read: a refusal must
 * cost so little that those who are let in do not notice it. What is left of a body is read and thrown
 * away, so that its sender gets the answer and keeps the connection.
 */
export const overload = plugin<OverloadOptions>(
  async (app, options) => {
    const { maxEventLoopDelayMs, maxHeapBytes, maxBodyBytes, bodies, answers, isBusy, isFull } =
      options;
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
      if (isPartOfExcess(delay.ms(), maxEventLoopDelayMs)) return true;
      if (answers.isFull()) return true;
      if (scope === undefined) return false;
      const announced = Number(headers['content-length'] ?? 0);
      return isFull(scope) || bodies.isFull(Math.min(announced, maxBodyBytes));
    }

    app.decorateRequest('bodyShare');
    app.addHook('onRequest', async (request) => {
      if (mustRefuse(request)) throw overloadedError();
    });
    app.addHook('preParsing', async (request, reply) => {
      const { probe, scope } = request.routeOptions.config;
      if (probe !== true) answers.admit(request.actor?.tenantId);
      if (scope !== 'sync:push') return;
      const { tenantId } = request.actor;
      // To read what is refused then would take longer than all the rest, from everybody else's time.
      if (isBusy(tenantId)) throw tenantBusyError();
      const share = bodies.open(tenantId);
      request.bodyShare = share;
      reply.raw.once('close', () => share.release());
    });
    app.addHook('onSend', (request, reply, payload, done) => {
      const bytes = sizeOf(payload);
      // Whoever has left takes nothing, and would not be heard to leave again.
      if (bytes > 0 && !reply.raw.destroyed) {
        reply.raw.once('close', answers.hold(request.actor?.tenantId, bytes));
      }
      done();
    });
  },
  { name: 'overload', dependencies: ['error-handler'] },
);

/** Streams are read no faster than they are taken. */
function sizeOf(payload: unknown): number {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  return Buffer.isBuffer(payload) ? payload.length : 0;
}

/** Chance, so that part of the requests is refused, and not all of them and then none. */
function isPartOfExcess(value: number, limit: number): boolean {
  return value > limit && Math.random() > (limit / value) ** steepness;
}
