import { afterAll, beforeAll, expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

const path = '/api/sync/changes';

test('the ETag is the checkpoint, and a pull with it is answered 304 until there are changes', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1')]);
  const sender = tenant.sender();
  const first = await service.request({ url: path, sender });
  expect(first.headers.etag).toBe(`"${first.body.checkpoint}"`);

  const url = `${path}?since=${first.body.checkpoint}`;
  const headers = { 'if-none-match': String(first.headers.etag) };
  for (const requestUrl of [path, url]) {
    const unchanged = await service.request({ url: requestUrl, headers, sender });
    expect(unchanged.status).toBe(304);
    expect(unchanged.body).toBe('');
    expect(unchanged.headers.etag).toBe(first.headers.etag);
  }

  await tenant.push([putNote('n2')]);
  const changed = await service.request({ url, headers, sender });
  expect(changed.status).toBe(200);
  expect(changed.body.changes).toMatchObject([{ entityId: 'n2' }]);
  expect(changed.headers.etag).not.toBe(first.headers.etag);
});

test.each([
  ['weak', (etag: string) => `W/${etag}`, 304],
  ['one of several tags', (etag: string) => `"other", ${etag}`, 304],
  ['another', () => '"other"', 200],
  ['the checkpoint without its quotes', (etag: string) => etag.replaceAll('"', ''), 200],
])('If-None-Match with a tag that is %s', async (_what, tagOf, status) => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1')]);
  const sender = tenant.sender();
  const { headers } = await service.request({ url: path, sender });
  const conditional = { 'if-none-match': tagOf(String(headers.etag)) };
  expect((await service.request({ url: path, headers: conditional, sender })).status).toBe(status);
});

test("another tenant's ETag does not match", async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  const { headers } = await service.request({ url: path, sender: theirs.sender() });
  const conditional = { 'if-none-match': String(headers.etag) };
  const answer = await service.request({ url: path, headers: conditional, sender: mine.sender() });
  expect(answer.status).toBe(200);
});

test('shared caches must not store an answer, and other caches must revalidate it', async () => {
  const tenant = await createTenant(service);
  const first = await service.request({ url: path, sender: tenant.sender() });
  expect(first.headers['cache-control']).toBe('private, no-cache');
  const headers = { 'if-none-match': String(first.headers.etag) };
  const unchanged = await service.request({ url: path, headers, sender: tenant.sender() });
  expect(unchanged.headers['cache-control']).toBe('private, no-cache');
});
