import plugin from 'fastify-plugin';
import { RequestProblem } from '../../domain/errors.ts';

const retryAfterSeconds = 5;

/**
 * Bounds the work on a request whose body has been read. The framework's own `handlerTimeout` ends
 * its watch when the body is there, so it would never meet a push.
 *
 * A push may have reached its commit: what is said of it is that nobody knows.
 */
export const deadline = plugin<{ handlerMs: number }>(
  async (app, { handlerMs }) => {
    app.addHook('preHandler', (request, reply, done) => {
      const answerInTime = () => {
        if (reply.sent || reply.raw.headersSent) return;
        const isPush = request.routeOptions.config.scope === 'sync:push';
        const code = isPush ? 'COMMIT_UNKNOWN' : 'UNAVAILABLE';
        const detail = `There is no answer after ${handlerMs / 1000} seconds.`;
        // What the handler still returns is nobody's any more, and the framework would log its URL.
        reply.raw.once('runAdmitted', () => void reply.hijack());
        reply.send(new RequestProblem(code, detail, { retryAfter: retryAfterSeconds }));
      };
      const timer = setTimeout(answerInTime, handlerMs);
      reply.raw.once('close', () => clearTimeout(timer));
      done();
    });
  },
  { name: 'deadline', dependencies: ['error-handler'] },
);
