import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { put } from '../testkit/oracle/events.ts';
import { refusalOf } from '../testkit/oracle/refusal.ts';
import { startApp, type TestApp } from '../testkit/app.ts';
import { createHold } from '../testkit/hold.ts';
import { listen, openConnection } from '../testkit/raw-connection.ts';

let service: TestApp;
afterEach(() => service.close());

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** For what hangs. */
const patient = { timeout: 30_000 };

/** Without a token: what is refused before authentication is refused all the same. */
const anonymous = { authorization: 'none' };
const pushUrl = '/api/sync/events';
const pullUrl = '/api/sync/changes';

const ask = (url: string, headers = {}) => service.request({ url, headers });
const push = (headers = {}, tenant = 't1') =>
  service.request({
    ...{ method: 'POST', url: pushUrl, headers },
    ...{ body: { events: [put('n1')] }, sender: { tenant } },
  });
const codeOf = async (asked: ReturnType<typeof push>) => {
  const { status, body } = await asked;
  return status === 200 ? 'ok' : body.code;
};

describe('a heap beyond its bound', () => {
  let collecting: NodeJS.Timeout;
  beforeEach(async () => {
    service = await startApp({ env: { MAX_HEAP_BYTES: '1' } });
    // As V8 does where memory is short.
    collecting = setInterval(collectGarbage, 250);
    await vi.waitUntil(async () => (await codeOf(ask(pullUrl))) === 'OVERLOADED', patient);
  });
  afterEach(() => clearInterval(collecting));

  test('refuses everything before the token is looked at, but for the health routes', async () => {
    for (const answer of [await push(), await push(anonymous), await ask(pullUrl, anonymous)]) {
      expect(refusalOf(answer)).toMatchObject({ status: 503, code: 'OVERLOADED', retryable: true });
      expect(answer.headers['content-type']).toContain('application/problem+json');
      expect(Number(answer.headers['retry-after'])).toSatisfy((wait) => wait >= 1 && wait <= 4);
    }
    expect((await ask('/livez')).status).toBe(200);
    expect((await ask('/readyz')).status).toBe(200);
    expect(await service.sql('SELECT 1 FROM events')).toEqual([]);
  });

  test('is one line a request in the log, as a warning, without an error', async () => {
    const before = service.logLines.length;
    const { headers } = await push();
    await expect.poll(() => service.logLines.length).toBe(before + 1);
    expect(service.logLines.at(-1)).toEqual({
      ...{ level: 'warn', event: 'request', msg: 'request', time: expect.any(String) },
      ...{ reqId: headers['x-request-id'], method: 'POST', route: pushUrl },
      ...{ status: 503, code: 'OVERLOADED', totalMs: expect.any(Number) },
    });
  });

  test('answers before a body has come, and keeps the connection once it has', async () => {
    const port = await listen(service.app);
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
    connection.leave();
  });

  test('takes requests again once nothing has to be collected any more', async () => {
    clearInterval(collecting);
    await expect.poll(() => codeOf(push()), patient).toBe('ok');
  });
});

test.each([200, 500])(
  'an event loop whose turns take %i ms refuses, and takes requests again when it keeps up',
  async (turnMs) => {
    service = await startApp({ env: { MAX_EVENT_LOOP_DELAY: '100ms' } });
    const burning = setInterval(() => {
      const until = performance.now() + turnMs;
      while (performance.now() < until);
    });
    try {
      // A push that is let in waits a turn for each of its steps: few of them fit into the patience.
      await expect.poll(() => codeOf(push(anonymous)), patient).toBe('OVERLOADED');
      expect((await ask('/livez')).status).toBe(200);
    } finally {
      clearInterval(burning);
    }
    await expect.poll(() => codeOf(push()), patient).toBe('ok');
  },
);

test('a tenant of whom as much waits as may is refused before its body is read', async () => {
  const hold = createHold();
  service = await startApp({
    env: { COMMIT_LANES: '1', MAX_TENANT_BATCHES: '1' },
    through: (real) => ({ ...real, ingest: hold.before(real.ingest, 'ingest') }),
  });
  hold.close();
  const held = push({}, 't1');
  await expect.poll(() => hold.waiting).toBe(1);
  const queued = push({}, 't1');
  const unreadable = (tenant: string) =>
    codeOf(service.request({ method: 'POST', url: pushUrl, body: '{', sender: { tenant } }));
  await expect.poll(() => unreadable('t1')).toBe('TENANT_BUSY');
  expect(await unreadable('t2')).toBe('INVALID_JSON');
  hold.open();
  expect([await codeOf(held), await codeOf(queued)]).toEqual(['ok', 'ok']);
  expect(await unreadable('t1')).toBe('INVALID_JSON');
});

test('a queue of pushes that is full refuses pushes before they are read, and nothing else', async () => {
  const hold = createHold();
  service = await startApp({
    env: { COMMIT_LANES: '1', MAX_QUEUED_EVENTS: '1' },
    through: (real) => ({
      ...real,
      ingest: hold.before(real.ingest, 'ingest'),
    }),
  });
  hold.close();
  const held = push({}, 't1');
  await expect.poll(() => hold.waiting).toBe(1);
  const queued = push({}, 't2');
  expect(await codeOf(push({}, 't3'))).toBe('OVERLOADED');
  expect(await codeOf(push(anonymous))).toBe('OVERLOADED');
  expect((await ask(pullUrl)).status).toBe(200);
  hold.open();
  expect([await codeOf(held), await codeOf(queued)]).toEqual(['ok', 'ok']);
  expect(await codeOf(push(anonymous))).toBe('AUTH_REQUIRED');
});
