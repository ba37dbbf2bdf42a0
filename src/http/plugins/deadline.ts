import plugin from 'fastify-plugin';
import { RequestProblem } from '../../domain/errors.ts';

const retryAfterSeconds = 5;

/**
 * Limits the time of a handler, after the body was read. Fastify's own `handlerTimeout` ends when the body
 * has arrived, so it would never limit a push.
 *
 * A push that exceeds the time may have been committed already. It is answered COMMIT_UNKNOWN.
 */
export const deadline = plugin<{ handlerMs: number }>(
  async (app, { handlerMs }) => {
    app.addHook('preHandler', (request, reply, done) => {
      const answerInTime = () => {
        if (reply.sent || reply.raw.headersSent) return;
        const isPush = request.routeOptions.config.scope === 'sync:push';
        const code = isPush ? 'COMMIT_UNKNOWN' : 'UNAVAILABLE';
        const detail = `There is no answer after ${handlerMs / 1000} seconds.`;
        // The handler may still return a late answer. Without `hijack`, Fastify would log it with the URL.
        reply.raw.once('finish', () => void reply.hijack());
        reply.send(new RequestProblem(code, detail, { retryAfter: retryAfterSeconds }));
      };
      const timer = setTimeout(answerInTime, handlerMs);
      reply.raw.once('close', () => clearTimeout(timer));
      done();
    });
  },
  { name: 'deadline', dependencies: ['error-handler'] },
);
