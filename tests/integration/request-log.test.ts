import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ env: { MAX_BODY_BYTES: '4096' } });
});
afterAll(() => service.close());

const sender = { tenant: 'tenant-in-clear', device: 'till-7' };
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const put = (key: string, title: string) => ({
  identityKey: key,
  kind: 'note.put',
  payload: { noteId: `id-${key}`, title, body: 'a payload nobody may log' },
});

/** The log lines of a call, read after its answer was sent. */
async function linesOf(call: () => Promise<unknown>) {
  const before = service.logLines.length;
  await call();
  await expect.poll(() => service.logLines.slice(before).some(isRequest)).toBe(true);
  return service.logLines.slice(before);
}

const hashed = expect.stringMatching(/^[0-9a-f]{16}$/);

const isRequest = (line: Record<string, unknown>) => line.event === 'request';

test('a push is logged in one line with its counts, its times and its sender', async () => {
  await service.push([put('k1', 'One')], {}, { ...sender, device: 'another' });
  const lines = await linesOf(() =>
    service.request({
      method: 'POST',
      url: '/api/sync/events',
      headers: { traceparent },
      body: {
        events: [
          put('k1', 'One'),
          put('k2', 'Two'),
          {
            ...put('k3', 'Old'),
            occurredAt: '2020-01-01T00:00:00Z',
            payload: put('k1', 'x').payload,
          },
          { identityKey: 'k4', kind: 'note.patch', payload: { noteId: 'none', title: 'x' } },
          { identityKey: 'k5', kind: 'no.such', payload: {} },
          { identityKey: 'k6', kind: 'no.such', payload: {} },
        ],
      },
      sender,
    }),
  );
  expect(lines).toHaveLength(1);
  expect(lines[0]).toEqual({
    ...{ level: 'info', event: 'request', msg: 'request' },
    ...{ time: expect.any(String), reqId: expect.any(String), traceparent },
    ...{ method: 'POST', route: '/api/sync/events', status: 200 },
    ...{ tenant: hashed, device: hashed },
    ...{ received: 6, applied: 1, noop: 0, superseded: 1, duplicate: 1 },
    failed: { NOT_FOUND: 1, UNKNOWN_KIND: 2 },
    queueWaitMs: expect.any(Number),
    transactionMs: expect.any(Number),
    totalMs: expect.any(Number),
  });
});

test('a pull is logged in one line with its number of records', async () => {
  const [line] = await linesOf(() => service.pull({}, sender));
  expect(line).toMatchObject({
    method: 'GET',
    route: '/api/sync/changes',
    status: 200,
    records: 2,
  });
});

test('a refused request is logged in one line with its code', async () => {
  const lines = await linesOf(() => service.request({ url: '/api/sync/changes?limit=0', sender }));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ status: 400, code: 'INVALID_QUERY' });
});

test('an invalid traceparent is not logged', async () => {
  const headers = { traceparent: 'forged\nline' };
  const [line] = await linesOf(() =>
    service.request({ url: '/api/sync/changes', headers, sender }),
  );
  expect(line).not.toHaveProperty('traceparent');
});

test('each tenant has its own hash in the log, the same in every line', async () => {
  const hashOf = async (tenant: string) =>
    (await linesOf(() => service.pull({}, { tenant })))[0]?.tenant;
  expect(await hashOf('a')).toBe(await hashOf('a'));
  expect(await hashOf('a')).not.toBe(await hashOf('b'));
});
