import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditOf } from '../../testkit/oracle/audit.ts';
import { patch, put, remove, type SentEvent } from '../../testkit/oracle/events.ts';
import { createTenant, type Tenant } from '../../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

async function pushAsking(tenant: Tenant, query: string, events: readonly SentEvent[]) {
  const answer = await service.request({
    method: 'POST',
    url: `/api/sync/events${query}`,
    body: { events },
    sender: tenant.sender(),
  });
  expect(answer.status).toBe(200);
  return answer.body;
}

test('with include=records every event brings its record as it stands after the batch', async () => {
  const tenant = await createTenant(service);
  const first = put('n1', { title: 'A' });
  await tenant.push([first, put('gone'), remove('gone')]);
  const { results, failed } = await pushAsking(tenant, '?include=records', [
    first,
    patch('n1', { title: 'A' }),
    patch('n1', { title: 'B' }),
    put('n1', { title: 'old' }, { occurredAt: '2020-01-01T00:00:00Z', baseVersion: 0 }),
    patch('n2', { title: 'C' }),
    remove('gone'),
  ]);
  const n1 = await tenant.record('n1');
  const gone = await tenant.record('gone');
  expect(n1).toMatchObject({ data: { title: 'B' } });
  expect(results).toMatchObject([
    { status: 'duplicate', current: n1 },
    { status: 'noop', current: n1 },
    { status: 'applied', current: n1 },
    { status: 'failed', code: 'CONFLICT', current: n1 },
    { status: 'failed', code: 'NOT_FOUND', current: null },
    { status: 'noop', current: gone },
  ]);
  expect(failed).toMatchObject([{ current: n1 }, { current: null }]);
});

test('a noop brings its record with every request for results, and an applied event none', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1', { title: 'A' })]);
  const events = [put('n1', { title: 'A' }), put('n2')];
  const { results } = await pushAsking(tenant, '?include=results', events);
  expect(results).toMatchObject([{ status: 'noop', current: { data: { title: 'A' } } }, {}]);
  expect(results[1]).not.toHaveProperty('current');
});

test.each(['?include=results,records', '?include=records,results'])(
  'both can be asked for: %s',
  async (query) => {
    const tenant = await createTenant(service);
    const { results } = await pushAsking(tenant, query, [put('n1')]);
    expect(results).toMatchObject([{ status: 'applied', current: { entityId: 'n1' } }]);
  },
);

test.each(['?include=', '?include=everything', '?include=results,', '?include=records,other'])(
  '%s is no list of what a push can include',
  async (query) => {
    const answer = await service.request({
      method: 'POST',
      url: `/api/sync/events${query}`,
      body: { events: [put('n1')] },
    });
    expect(answer.body).toMatchObject({ code: 'INVALID_QUERY' });
    expect(answer.body.detail).toContain('results or records');
  },
);

test('conflicts that are only to be answered are not kept, and take no version', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1', { title: 'A' }), put('n1', { title: 'B' })]);
  const stale = put('n1', { title: 'C' }, { baseVersion: 1 });
  const { failed, results } = await tenant.push([stale, put('n2')], { conflicts: 'answer' });
  const current = await tenant.record('n1');
  expect(failed).toMatchObject([{ code: 'CONFLICT', current, differingFields: ['title'] }]);
  expect(results).toMatchObject([{ status: 'failed', current }, { version: 3 }]);
  expect((await auditOf(tenant).conflicts({ state: 'all' })).conflicts).toEqual([]);
  expect(await tenant.head()).toBe(3);

  // The client settled it by itself: the same key, on the version that won.
  const settled = { ...stale, baseVersion: 2 };
  expect(await tenant.said([settled], { conflicts: 'answer' })).toEqual(['applied']);
});

test('a conflict that was kept stays kept, whoever asks again in which way', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1', { title: 'A' }), put('n1', { title: 'B' })]);
  const stale = put('n1', { title: 'C' }, { baseVersion: 1 });
  await tenant.push([stale]);
  expect(await tenant.said([stale], { conflicts: 'answer' })).toEqual(['CONFLICT']);
  expect((await auditOf(tenant).conflicts()).conflicts).toHaveLength(1);
});

test('an atomic batch reports all of its conflicts at once', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), put('n1', { title: 'B' }), put('n2'), put('n2', { title: 'B' })]);
  const stale = ['n1', 'n2'].map((id) => put(id, { title: 'C' }, { baseVersion: 1 }));
  const { failed } = await tenant.push([put('n3'), ...stale], { atomic: true });
  expect(failed.map(({ code }) => code)).toEqual(['BATCH_ABORTED', 'CONFLICT', 'CONFLICT']);
});

test('a reused key is answered with what is stored under it', async () => {
  const tenant = await createTenant(service);
  const first = put('n1', { title: 'A' });
  await tenant.push([put('n0'), first]);
  const reused = { ...patch('n1', { title: 'B' }), identityKey: first.identityKey };
  const { failed } = await tenant.push([reused]);
  expect(failed).toMatchObject([
    {
      code: 'IDENTITY_KEY_REUSED',
      retryable: false,
      stored: { version: 2, outcome: 'applied', kind: 'note.put' },
    },
  ]);
});

test('within a batch too, and of a conflict', async () => {
  const tenant = await createTenant(service);
  const first = put('n1', { title: 'A' }, { baseVersion: 7 });
  const { failed } = await tenant.push([first, { ...first, baseVersion: 8 }]);
  expect(failed).toMatchObject([
    { code: 'CONFLICT' },
    { stored: { version: 1, outcome: 'conflict', kind: 'note.put' } },
  ]);
});
