import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { createSecretKey } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLogger } from '../../src/observability/logger.ts';
import { deadline } from '../../src/http/plugins/deadline.ts';
import { errorHandler } from '../../src/http/plugins/error-handler.ts';
import { observability } from '../../src/http/plugins/observability.ts';
import { expectProblem } from '../testkit/app/expect-problem.ts';

const handlerMs = 100;
let app: FastifyInstance;
let logLines: string[];
beforeEach(async () => {
  logLines = [];
  const destination = { write: (line: string) => void logLines.push(line) };
  const loggerInstance: FastifyBaseLogger = createLogger({
    ...{ level: 'debug', pretty: false, destination },
  });
  app = Fastify({ loggerInstance });
  await app.register(observability, { logHashKey: createSecretKey(Buffer.alloc(32)) });
  await app.register(errorHandler, { maxBodyBytes: 1000 });
  await app.register(deadline, { handlerMs });
});
afterEach(() => app.close());

const answerOf = ({ statusCode, headers, body }: Awaited<ReturnType<typeof app.inject>>) => ({
  status: statusCode,
  headers,
  body: JSON.parse(body),
});

test('a push that takes too long is answered COMMIT_UNKNOWN, because it may have been stored', async () => {
  const finished = Promise.withResolvers<void>();
  app.post('/push', { config: { scope: 'sync:push' } }, async () => {
    await sleep(2 * handlerMs);
    finished.resolve();
    return { success: true };
  });
  const url = '/push?since=secret';
  const answer = answerOf(await app.inject({ method: 'POST', url, payload: { events: [] } }));
  expect(expectProblem(answer)).toMatchObject({
    status: 503,
    code: 'COMMIT_UNKNOWN',
    retryable: true,
  });
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  await finished.promise;
  await sleep(10);
  // The handler's late answer is dropped. Fastify does not warn about it with the URL.
  expect(logLines.join('')).not.toContain('secret');
  expect(logLines.filter((line) => line.includes('"level":"warn"'))).toEqual([]);
  expect(logLines.filter((line) => line.includes('"event":"request"'))).toHaveLength(1);
});

test('a pull that takes too long is answered UNAVAILABLE', async () => {
  app.get('/pull', { config: { scope: 'sync:pull' } }, () => new Promise(() => {}));
  const answer = answerOf(await app.inject('/pull'));
  expect(expectProblem(answer)).toMatchObject({
    status: 503,
    code: 'UNAVAILABLE',
    retryable: true,
  });
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
});

test('an answer in time is not changed by the deadline', async () => {
  app.get('/pull', { config: { scope: 'sync:pull' } }, async () => ({ ok: true }));
  const answer = answerOf(await app.inject('/pull'));
  expect(answer).toMatchObject({ status: 200, body: { ok: true } });
  await sleep(2 * handlerMs);
  expect(logLines.join('')).not.toContain('"level":"error"');
});

test('a handler that fails after the deadline is not answered a second time', async () => {
  app.get('/pull', { config: { scope: 'sync:pull' } }, async () => {
    await sleep(2 * handlerMs);
    throw new Error('late');
  });
  const answer = answerOf(await app.inject('/pull?since=secret'));
  expect(answer.body.code).toBe('UNAVAILABLE');
  await expect.poll(() => logLines.join('')).toContain('"message":"late"');
  expect(logLines.join('')).not.toContain('secret');
});
