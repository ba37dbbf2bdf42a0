import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { createCallGate } from '../testkit/app/call-gate.ts';
import { listenOnFreePort } from '../testkit/app/listening-app.ts';
import { openConnection } from '../testkit/network/raw-connection.ts';

let service: TestApp;
afterEach(() => service.close());

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** A long timeout for conditions that must become true. */
const patient = { timeout: 30_000 };

/** Headers without a valid token: an overload is refused before authentication. */
const anonymous = { authorization: 'none' };
const pushUrl = '/api/sync/events';
const pullUrl = '/api/sync/changes';

const get = (url: string, headers = {}) => service.request({ url, headers });
const push = (headers = {}, tenant = 't1') =>
  service.request({
    ...{ method: 'POST', url: pushUrl, headers },
    ...{ body: { events: [putNote('n1')] }, sender: { tenant } },
  });
const codeOf = async (answer: ReturnType<typeof push>) => {
  const { status, body } = await answer;
  return status === 200 ? 'ok' : body.code;
};

describe('a heap beyond its maximum', () => {
  let collecting: NodeJS.Timeout;
  beforeEach(async () => {
    service = await startApp({ env: { MAX_HEAP_BYTES: '1' } });
    // V8 also collects again and again when memory is short.
    collecting = setInterval(collectGarbage, 250);
    await vi.waitUntil(async () => (await codeOf(get(pullUrl))) === 'OVERLOADED', patient);
  });
  afterEach(() => clearInterval(collecting));

  test('makes the service refuse every request before its token is checked, except for the health routes', async () => {
    for (const answer of [await push(), await push(anonymous), await get(pullUrl, anonymous)]) {
      expect(expectProblem(answer)).toMatchObject({
        status: 503,
        code: 'OVERLOADED',
        retryable: true,
      });
      expect(answer.headers['content-type']).toContain('application/problem+json');
      expect(Number(answer.headers['retry-after'])).toSatisfy((wait) => wait >= 1 && wait <= 4);
    }
    expect((await get('/livez')).status).toBe(200);
    expect((await get('/readyz')).status).toBe(200);
    expect(await service.sql('SELECT 1 FROM event_log')).toEqual([]);
  });

  test('is logged as one warning per request, without an error', async () => {
    const before = service.logLines.length;
    const { headers } = await push();
    await expect.poll(() => service.logLines.length).toBe(before + 1);
    expect(service.logLines.at(-1)).toEqual({
      ...{ level: 'warn', event: 'request', msg: 'request', time: expect.any(String) },
      ...{ reqId: headers['x-request-id'], method: 'POST', route: pushUrl },
      ...{ status: 503, code: 'OVERLOADED', totalMs: expect.any(Number) },
    });
  });

  test('makes the service answer before the body has arrived, and keep the connection after it has', async () => {
    const port = await listenOnFreePort(service.app);
    const body = 'x'.repeat(1_000_000);
    const connection = await openConnection(port);
    connection.write(
      `POST ${pushUrl} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    connection.write(body.slice(0, 1000));
    expect(await connection.answer()).toMatchObject({ status: 503, body: { code: 'OVERLOADED' } });
    connection.write(body.slice(1000));
    connection.write('GET /livez HTTP/1.1\r\nHost: h\r\n\r\n');
    expect(await connection.answer()).toMatchObject({ status: 200, body: { status: 'ok' } });
    connection.reset();
  });

  test('is over when there was no recent garbage collection', async () => {
    clearInterval(collecting);
    await expect.poll(() => codeOf(push()), patient).toBe('ok');
  });
});

test.each([200, 500])(
  'requests are refused while iterations of the event loop take %i ms, and accepted again after that',
  async (iterationMs) => {
    service = await startApp({ env: { MAX_EVENT_LOOP_DELAY: '100ms' } });
    const blocking = setInterval(() => {
      const until = performance.now() + iterationMs;
      while (performance.now() < until);
    });
    try {
      // Each step of an accepted push waits for an iteration, so only a few pushes fit into the timeout.
      await expect.poll(() => codeOf(push(anonymous)), patient).toBe('OVERLOADED');
      expect((await get('/livez')).status).toBe(200);
    } finally {
      clearInterval(blocking);
    }
    await expect.poll(() => codeOf(push()), patient).toBe('ok');
  },
);

test('a push of a tenant with the maximum of waiting pushes is refused before its body is read', async () => {
  const hold = createCallGate();
  service = await startApp({
    env: { COMMIT_LANES: '1', MAX_TENANT_BATCHES: '1' },
    wrapDatabase: (real) => ({ ...real, ingest: hold.guard(real.ingest, 'runTransaction') }),
  });
  hold.close();
  const held = push({}, 't1');
  await expect.poll(() => hold.waitingCalls).toBe(1);
  const queued = push({}, 't1');
  const pushInvalid = (tenant: string) =>
    codeOf(service.request({ method: 'POST', url: pushUrl, body: '{', sender: { tenant } }));
  await expect.poll(() => pushInvalid('t1')).toBe('TENANT_BUSY');
  expect(await pushInvalid('t2')).toBe('INVALID_JSON');
  hold.open();
  expect([await codeOf(held), await codeOf(queued)]).toEqual(['ok', 'ok']);
  expect(await pushInvalid('t1')).toBe('INVALID_JSON');
});

test('a full queue refuses pushes before their bodies are read, and no other requests', async () => {
  const hold = createCallGate();
  service = await startApp({
    env: { COMMIT_LANES: '1', MAX_QUEUED_EVENTS: '1' },
    wrapDatabase: (real) => ({
      ...real,
      ingest: hold.guard(real.ingest, 'runTransaction'),
    }),
  });
  hold.close();
  const held = push({}, 't1');
  await expect.poll(() => hold.waitingCalls).toBe(1);
  const queued = push({}, 't2');
  expect(await codeOf(push({}, 't3'))).toBe('OVERLOADED');
  expect(await codeOf(push(anonymous))).toBe('OVERLOADED');
  expect((await get(pullUrl)).status).toBe(200);
  hold.open();
  expect([await codeOf(held), await codeOf(queued)]).toEqual(['ok', 'ok']);
  expect(await codeOf(push(anonymous))).toBe('AUTH_REQUIRED');
});
