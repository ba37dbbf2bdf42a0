import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import { startApp, type Sender, type TestApp } from '../testkit/app/test-app.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';

const pull = '/api/sync/changes';
let database: TestDatabase;
let service: TestApp;
beforeAll(async () => {
  database = await createDatabase();
});
afterEach(() => service.close());
afterAll(() => database.drop());

const start = async (env: NodeJS.ProcessEnv) => {
  service = await startApp({ env, database });
};
const pullAs = (sender: Sender) => service.request({ url: pull, sender });
const from = (remoteAddress: string, headers = {}) =>
  service.app.inject({ url: pull, remoteAddress, headers });
const statuses = async (answers: readonly (() => Promise<{ status: number }>)[]) => {
  const results = [];
  for (const answer of answers) results.push((await answer()).status);
  return results;
};

test('a subject beyond its limit is refused with a retry-after, and other subjects of its tenant are not', async () => {
  await start({ RATE_LIMIT_SUBJECT: '2' });
  const ann = { tenant: 'shop', subject: 'ann' };
  const first = await pullAs(ann);
  expect(first.status).toBe(200);
  expect(first.headers).toMatchObject({
    'ratelimit-limit': '2',
    'ratelimit-remaining': '1',
    'ratelimit-reset': '60',
  });
  expect((await pullAs(ann)).headers).toMatchObject({ 'ratelimit-remaining': '0' });
  const third = await pullAs(ann);
  expect(expectProblem(third)).toMatchObject({
    status: 429,
    code: 'RATE_LIMITED',
    retryable: true,
  });
  expect(third.headers).toMatchObject({ 'ratelimit-limit': '2', 'ratelimit-remaining': '0' });
  const wait = Number(third.headers['retry-after']);
  expect(wait).toBeGreaterThanOrEqual(Number(third.headers['ratelimit-reset']));
  expect(wait).toBeLessThan(65);
  expect((await pullAs({ tenant: 'shop', subject: 'ben' })).status).toBe(200);
  expect((await pullAs({ tenant: 'another', subject: 'ann' })).status).toBe(200);
});

test('a tenant’s limit does not affect other tenants, and a subject beyond its own limit does not use it up', async () => {
  await start({ RATE_LIMIT_TENANT: '4', RATE_LIMIT_SUBJECT: '2' });
  const ann = { tenant: 'shop', subject: 'ann' };
  expect(await statuses(Array.from({ length: 5 }, () => () => pullAs(ann)))).toEqual([
    ...[200, 200, 429, 429, 429],
  ]);
  const ben = { tenant: 'shop', subject: 'ben' };
  const eve = { tenant: 'shop', subject: 'eve' };
  expect(await statuses([() => pullAs(ben), () => pullAs(ben), () => pullAs(eve)])).toEqual([
    ...[200, 200, 429],
  ]);
  expect((await pullAs({ tenant: 'another', subject: 'ann' })).status).toBe(200);
});

test.each([
  [
    { tenant: 'a', subject: 'b:c' },
    { tenant: 'a:b', subject: 'c' },
  ],
  [
    { tenant: 'a', subject: 'b","c' },
    { tenant: 'a","b', subject: 'c' },
  ],
  [
    { tenant: 'a', subject: 'ab' },
    { tenant: 'aa', subject: 'b' },
  ],
])('%j and %j are counted separately', async (one, another) => {
  await start({ RATE_LIMIT_SUBJECT: '1', RATE_LIMIT_TENANT: '1' });
  expect((await pullAs(one)).status).toBe(200);
  expect((await pullAs(one)).status).toBe(429);
  expect((await pullAs(another)).status).toBe(200);
});

test('an address beyond its limit is refused before its token is checked', async () => {
  await start({ RATE_LIMIT_ADDRESS: '2' });
  const answers = [];
  for (let sent = 0; sent < 3; sent += 1) answers.push(await from('192.0.2.1'));
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([401, 401, 429]);
  expect(answers[0]?.headers).toMatchObject({ 'ratelimit-remaining': '1' });
  expect((await from('192.0.2.2')).statusCode).toBe(401);
});

test('requests for unknown paths count too, and the addresses of one IPv6 network count together', async () => {
  await start({ RATE_LIMIT_ADDRESS: '1' });
  const url = '/nothing-here';
  const requestFrom = (remoteAddress: string) => service.app.inject({ url, remoteAddress });
  expect((await requestFrom('2001:db8::1')).statusCode).toBe(404);
  expect((await requestFrom('2001:db8::2')).statusCode).toBe(429);
  expect((await requestFrom('2001:db8:0:1::1')).statusCode).toBe(404);
  expect((await requestFrom('::ffff:192.0.2.1')).statusCode).toBe(404);
  expect((await requestFrom('192.0.2.1')).statusCode).toBe(429);
});

test('health routes have no limits and no limit headers', async () => {
  await start({ RATE_LIMIT_ADDRESS: '1' });
  for (const url of ['/livez', '/readyz', '/livez', '/readyz']) {
    const answer = await service.request({ url });
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty('ratelimit-limit');
  }
});

test('limits that are off refuse nothing and set no headers', async () => {
  const off = { RATE_LIMIT_ADDRESS: 'off', RATE_LIMIT_TENANT: 'off', RATE_LIMIT_SUBJECT: 'off' };
  await start(off);
  const answer = await pullAs({ tenant: 'shop', subject: 'ann' });
  expect(answer.status).toBe(200);
  expect(answer.headers).not.toHaveProperty('ratelimit-limit');
});

test('without a trusted proxy, X-Forwarded-For does not change the address of a client', async () => {
  await start({ RATE_LIMIT_ADDRESS: '1' });
  expect((await from('192.0.2.1', { 'x-forwarded-for': '203.0.113.1' })).statusCode).toBe(401);
  expect((await from('192.0.2.1', { 'x-forwarded-for': '203.0.113.2' })).statusCode).toBe(429);
});

test.each(['10.0.0.0/8', '10.0.0.1', '1'])(
  'behind the proxy %s, the address is the one that the proxy saw, not one that the client sent',
  async (TRUST_PROXY) => {
    await start({ RATE_LIMIT_ADDRESS: '1', TRUST_PROXY });
    const via = (forwarded: string) => from('10.0.0.1', { 'x-forwarded-for': forwarded });
    expect((await via('203.0.113.1')).statusCode).toBe(401);
    expect((await via('203.0.113.2')).statusCode).toBe(401);
    expect((await via('198.51.100.9, 203.0.113.1')).statusCode).toBe(429);
    expect((await via('x'.repeat(1000))).statusCode).toBe(401);
    expect((await via('y'.repeat(1000))).statusCode).toBe(429);
  },
);

test('X-Forwarded-For of an untrusted proxy is ignored', async () => {
  await start({ RATE_LIMIT_ADDRESS: '1', TRUST_PROXY: '10.0.0.0/8' });
  expect((await from('192.0.2.1', { 'x-forwarded-for': '203.0.113.1' })).statusCode).toBe(401);
  expect((await from('192.0.2.1', { 'x-forwarded-for': '203.0.113.2' })).statusCode).toBe(429);
});

test('the limiter remembers a maximum of addresses, and an address that keeps calling stays refused', async () => {
  await start({ RATE_LIMIT_ADDRESS: '1' });
  const requestFrom = (remoteAddress: string) =>
    service.app.inject({ url: '/nothing', remoteAddress });
  const forgotten = '203.0.113.1';
  const busy = '203.0.113.2';
  for (const address of [forgotten, busy, busy]) await requestFrom(address);
  for (let number = 0; number < 10_000; number += 1) {
    await requestFrom(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`);
    if (number % 5_000 === 0) await requestFrom(busy);
  }
  expect((await requestFrom(busy)).statusCode).toBe(429);
  expect((await requestFrom(forgotten)).statusCode).toBe(404);
});

test('the log names the limit that was exceeded', async () => {
  await start({ RATE_LIMIT_SUBJECT: '1' });
  for (const sender of [{ subject: 'ann' }, { subject: 'ann' }]) await pullAs(sender);
  const line = service.logLines.findLast(({ event }) => event === 'request');
  expect(line).toMatchObject({ status: 429, code: 'RATE_LIMITED', limit: 'subject' });
});
