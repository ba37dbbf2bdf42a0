import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import { startApp, type TestApp, type TestRequest } from '../testkit/app/test-app.ts';
import { createCallGate } from '../testkit/app/call-gate.ts';
import { listenOnFreePort } from '../testkit/app/listening-app.ts';
import { openConnection } from '../testkit/network/raw-connection.ts';

const pullUrl = '/api/sync/changes';
/** Every kind of read. */
const reads: readonly (readonly [string, TestRequest])[] = [
  ['a pull', { url: pullUrl }],
  ['a list of conflicts', { url: '/api/sync/conflicts' }],
  ['a conflict', { url: '/api/sync/conflicts/conflicted' }],
  ['a history', { url: '/api/sync/entities/note/n1/events' }],
  ['receipts', { url: '/api/sync/receipts?identityKeys=k1' }],
  [
    'a resolution, which reads the conflict first',
    {
      ...{ method: 'POST', url: '/api/sync/conflicts/conflicted/resolution' },
      body: { resolution: 'discard' },
    },
  ],
];

const audited = ['listConflicts', 'findConflict', 'readHistory', 'findReceipts'] as const;

const hold = createCallGate();
const commits = createCallGate();
let service: TestApp;
let port: number;
beforeAll(async () => {
  service = await startApp({
    env: { READ_LANES: '1', MAX_TENANT_READS: '1', MAX_QUEUED_READS: '2' },
    wrapDatabase: (real) => ({
      ...real,
      feed: hold.guard(real.feed, 'readPage'),
      ingest: commits.guard(real.ingest, 'runTransaction'),
      audit: hold.guard(real.audit, ...audited),
    }),
  });
  port = await listenOnFreePort(service.app);
});
afterAll(() => service.close());
beforeEach(() => hold.close());
afterEach(() => hold.open());

const seconds = expect.stringMatching(/^[1-4]$/);
const send = (request: TestRequest, tenant: string) =>
  service.request({ ...request, sender: { tenant } });
const pull = (tenant: string) => send({ url: pullUrl }, tenant);

/** OVERLOADED if no read can wait. The call itself does not wait, because it has no token. */
async function codeWithoutToken(): Promise<unknown> {
  return (await service.request({ url: pullUrl, headers: { authorization: 'none' } })).body.code;
}

async function pullOnSocket(tenant: string) {
  const connection = await openConnection(port);
  const authorization = `Authorization: Bearer ${service.token({ tenant })}`;
  connection.write(`GET ${pullUrl} HTTP/1.1\r\nHost: h\r\n${authorization}\r\n\r\n`);
  return connection;
}

/** Starts a read that occupies the lane. The promise is in an object, so that `await` does not wait for it. */
async function fillLane() {
  const running = pull('a');
  await expect.poll(() => hold.waitingCalls).toBe(1);
  return { running };
}

test.each(reads)(
  '%s waits for a lane, and a further one of the same tenant is TENANT_BUSY',
  async (_what, request) => {
    const { running } = await fillLane();
    const first = send(request, 'b');
    const refused = await send(request, 'b');
    expect(expectProblem(refused)).toMatchObject({ status: 503, code: 'TENANT_BUSY' });
    expect(refused.headers['retry-after']).toEqual(seconds);
    expect(hold.waitingCalls).toBe(1);
    hold.open();
    expect((await running).status).toBe(200);
    expect((await first).status).toBeLessThan(500);
  },
);

test('reads beyond the maximum of waiting reads are OVERLOADED before their token is checked', async () => {
  const { running } = await fillLane();
  const waiting = [pull('a'), pull('b')];
  await expect.poll(codeWithoutToken).toBe('OVERLOADED');
  expect((await pull('c')).body.code).toBe('OVERLOADED');
  expect((await service.push([putNote('n1')], {}, { tenant: 'c' })).failed).toEqual([]);
  hold.open();
  for (const answer of [running, ...waiting]) expect((await answer).status).toBe(200);
  expect((await pull('c')).status).toBe(200);
});

test('a client that leaves gives up its place in the queue', async () => {
  const { running } = await fillLane();
  const leaving = await Promise.all(['b', 'c'].map((tenant) => pullOnSocket(tenant)));
  await expect.poll(codeWithoutToken).toBe('OVERLOADED');
  for (const connection of leaving) connection.reset();
  await expect.poll(codeWithoutToken).toBe('AUTH_REQUIRED');
  hold.open();
  expect((await running).status).toBe(200);
  expect((await pull('b')).status).toBe(200);
});

test('an admitted resolution is not refused when it reads its result', async () => {
  hold.open();
  const tenant = { tenant: 'resolving' };
  const conflicted = putNote('n1', { title: 'B' }, { identityKey: 'conflicted', baseVersion: 1 });
  await service.push([putNote('n1'), putNote('n1', { title: 'A' }), conflicted], {}, tenant);
  hold.close();
  const resolution = send(reads[5]?.[1] ?? { url: '' }, tenant.tenant);
  await expect.poll(() => hold.waitingCalls).toBe(1);
  commits.close();
  hold.letOneThrough();
  await expect.poll(() => commits.waitingCalls).toBe(1);
  const otherPulls = ['a', 'b', 'c'].map(pull);
  await expect.poll(codeWithoutToken).toBe('OVERLOADED');
  commits.open();
  await expect
    .poll(() => service.sql('SELECT 1 FROM conflicts WHERE resolved_version > 0'))
    .toHaveLength(1);
  hold.open();
  expect(await resolution).toMatchObject({
    status: 200,
    body: { resolved: { resolution: 'discard' } },
  });
  for (const answer of otherPulls) expect((await answer).status).toBe(200);
});
