import { afterAll, beforeAll, expect, test } from 'vitest';
import { put } from '../model/events.ts';
import { refusalOf } from '../model/refusal.ts';
import { createTenant } from '../model/tenant.ts';
import { startApp, type TestApp, type TestRequest } from '../setup/app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

const push = '/api/sync/events';
const pull = '/api/sync/changes';
const batch = JSON.stringify({ events: [put('n1')] });

test.each([
  [`${pull}?limit=0`, 'limit'],
  [`${pull}?limit=-1`, 'limit'],
  [`${pull}?limit=1001`, 'limit'],
  [`${pull}?limit=1e9`, 'limit'],
  [`${pull}?limit=1000000000`, 'limit'],
  [`${pull}?limit=1.5`, 'limit'],
  [`${pull}?limit=`, 'limit'],
  [`${pull}?limit=ten`, 'limit'],
  [`${pull}?limit=10abc`, 'limit'],
  [`${pull}?limit=0x10`, 'limit'],
  [`${pull}?limit=%205`, 'limit'],
  [`${pull}?limit=%D9%A3`, 'limit'],
  [`${pull}?limit=1&limit=1`, 'limit'],
  [`${pull}?limit[]=1`, 'limit[]'],
  [`${pull}?since=a&since=b`, 'since'],
  [`${pull}?entityTypes=`, 'entityTypes'],
  [`${pull}?entityTypes=note,`, 'entityTypes'],
  [`${pull}?entityTypes=Note`, 'entityTypes'],
  [`${pull}?entityTypes=note,%20note`, 'entityTypes'],
  [`${pull}?entityTypes=note&entityTypes=note`, 'entityTypes'],
  [`${pull}?tenant=t2`, 'tenant'],
  [`${pull}?Limit=5`, 'Limit'],
  [`${pull}?constructor=5`, 'constructor'],
])('%s is an invalid query', async (url, path) => {
  const problem = refusalOf(await service.request({ url }));
  expect(problem).toMatchObject({ status: 400, code: 'INVALID_QUERY', path });
});

test.each([
  ['?include=everything', 'include'],
  ['?include=', 'include'],
  ['?include=results&include=results', 'include'],
  ['?tenant=t2', 'tenant'],
])('a push with %s is an invalid query, and stores nothing', async (query, path) => {
  const tenant = await createTenant(service);
  const sender = tenant.sender();
  const answer = await service.request({ method: 'POST', url: push + query, body: batch, sender });
  expect(refusalOf(answer)).toMatchObject({ status: 400, code: 'INVALID_QUERY', path });
  expect(await tenant.log()).toEqual([]);
});

test.each([
  ['GET', push, 'POST'],
  ['PUT', push, 'POST'],
  ['DELETE', push, 'POST'],
  ['POST', pull, 'GET'],
  ['PUT', pull, 'GET'],
  ['DELETE', pull, 'GET'],
] as const)('%s %s is not allowed, and the answer says what is', async (method, url, allowed) => {
  const answer = await service.request({ method, url });
  expect(refusalOf(answer)).toMatchObject({ status: 405, code: 'METHOD_NOT_ALLOWED' });
  expect(String(answer.headers.allow).split(', ')).toContain(allowed);
});

test.each([
  '/nothing-here',
  '/api/sync',
  '/api/sync/events/1',
  '/api/sync/EVENTS',
  '/api/sync/..%2f..%2fetc%2fpasswd',
  "/api/sync/' OR 1=1 --",
  '/%00',
  '/%',
  '/%zz',
  '/.git/config',
])('the path %s does not exist', async (url) => {
  const problem = refusalOf(await service.request({ url }));
  expect(problem).toMatchObject({ status: 404, code: 'NOT_FOUND' });
});

test('the same fault has the same body, and only its own request id', async () => {
  const faults: TestRequest[] = [
    { method: 'POST', url: push, body: '{' },
    { method: 'POST', url: push, body: batch, headers: { 'content-type': 'text/plain' } },
    { url: `${pull}?limit=0` },
    { url: '/nothing-here' },
  ];
  for (const fault of faults) {
    const [first, second] = [await service.request(fault), await service.request(fault)];
    expect(refusalOf(first)).toEqual(refusalOf(second));
    expect(first.headers['x-request-id']).not.toBe(second.headers['x-request-id']);
  }
});
