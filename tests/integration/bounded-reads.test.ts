import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { put } from '../testkit/oracle/events.ts';
import { refusalOf } from '../testkit/oracle/refusal.ts';
import { startApp, type TestApp, type TestRequest } from '../testkit/app.ts';
import { createHold } from '../testkit/hold.ts';
import { listen, openConnection } from '../testkit/raw-connection.ts';

const pullUrl = '/api/sync/changes';
/** Every read that a client can ask for. */
const reads: readonly (readonly [string, TestRequest])[] = [
  ['a pull', { url: pullUrl }],
  ['a list of conflicts', { url: '/api/sync/conflicts' }],
  ['a conflict', { url: '/api/sync/conflicts/conflicted' }],
  ['a history', { url: '/api/sync/entities/note/n1/events' }],
  ['receipts', { url: '/api/sync/receipts?identityKeys=k1' }],
  [
    'a resolution, which reads first',
    {
      ...{ method: 'POST', url: '/api/sync/conflicts/conflicted/resolution' },
      body: { resolution: 'discard' },
    },
  ],
];

const audited = ['listConflicts', 'findConflict', 'readHistory', 'findReceipts'] as const;

const hold = createHold();
const commits = createHold();
let service: TestApp;
let port: number;
beforeAll(async () => {
  service = await startApp({
    env: { READ_LANES: '1', MAX_TENANT_READS: '1', MAX_QUEUED_READS: '2' },
    through: (real) => ({
      ...real,
      feed: hold.before(real.feed, 'readPage'),
      ingest: commits.before(real.ingest, 'ingest'),
      audit: hold.before(real.audit, ...audited),
    }),
  });
  port = await listen(service.app);
});
afterAll(() => service.close());
beforeEach(() => hold.close());
afterEach(() => hold.open());

const seconds = expect.stringMatching(/^[1-4]$/);
const ask = (asked: TestRequest, tenant: string) =>
  service.request({ ...asked, sender: { tenant } });
const pull = (tenant: string) => ask({ url: pullUrl }, tenant);

/** Says whether there is room, without taking any. */
async function codeWithoutToken(): Promise<unknown> {
  return (await service.request({ url: pullUrl, headers: { authorization: 'none' } })).body.code;
}

async function pullOnSocket(tenant: string) {
  const connection = await openConnection(port);
  const authorization = `Authorization: Bearer ${service.token({ tenant })}`;
  connection.write(`GET ${pullUrl} HTTP/1.1\r\nHost: h\r\n${authorization}\r\n\r\n`);
  return connection;
}

/** Answers that are still to come, in an object, or they would be waited for. */
async function fillLane() {
  const running = pull('a');
  await expect.poll(() => hold.waiting).toBe(1);
  return { running };
}

test.each(reads)(
  '%s waits for its turn, and beyond its tenant’s bound is TENANT_BUSY',
  async (_what, asked) => {
    const { running } = await fillLane();
    const first = ask(asked, 'b');
    const refused = await ask(asked, 'b');
    expect(refusalOf(refused)).toMatchObject({ status: 503, code: 'TENANT_BUSY' });
    expect(refused.headers['retry-after']).toEqual(seconds);
    expect(hold.waiting).toBe(1);
    hold.open();
    expect((await running).status).toBe(200);
    expect((await first).status).toBeLessThan(500);
  },
);

test('beyond what may wait of all tenants, reads are OVERLOADED before the token is looked at', async () => {
  const { running } = await fillLane();
  const waiting = [pull('a'), pull('b')];
  await expect.poll(codeWithoutToken).toBe('OVERLOADED');
  expect((await pull('c')).body.code).toBe('OVERLOADED');
  expect((await service.push([put('n1')], {}, { tenant: 'c' })).failed).toEqual([]);
  hold.open();
  for (const answer of [running, ...waiting]) expect((await answer).status).toBe(200);
  expect((await pull('c')).status).toBe(200);
});

test('clients that leave give up their places', async () => {
  const { running } = await fillLane();
  const leaving = await Promise.all(['b', 'c'].map((tenant) => pullOnSocket(tenant)));
  await expect.poll(codeWithoutToken).toBe('OVERLOADED');
  for (const connection of leaving) connection.leave();
  await expect.poll(codeWithoutToken).toBe('AUTH_REQUIRED');
  hold.open();
  expect((await running).status).toBe(200);
  expect((await pull('b')).status).toBe(200);
});

test('a resolution that was let in is not refused when it reads what it has done', async () => {
  hold.open();
  const tenant = { tenant: 'resolving' };
  const conflicted = put('n1', { title: 'B' }, { identityKey: 'conflicted', baseVersion: 1 });
  await service.push([put('n1'), put('n1', { title: 'A' }), conflicted], {}, tenant);
  hold.close();
  const asked = ask(reads[5]?.[1] ?? { url: '' }, tenant.tenant);
  await expect.poll(() => hold.waiting).toBe(1);
  commits.close();
  hold.next();
  await expect.poll(() => commits.waiting).toBe(1);
  const others = ['a', 'b', 'c'].map(pull);
  await expect.poll(codeWithoutToken).toBe('OVERLOADED');
  commits.open();
  await expect
    .poll(() => service.sql('SELECT 1 FROM conflicts WHERE resolved_version > 0'))
    .toHaveLength(1);
  hold.open();
  expect(await asked).toMatchObject({ status: 200, body: { resolved: { resolution: 'discard' } } });
  for (const answer of others) expect((await answer).status).toBe(200);
});
