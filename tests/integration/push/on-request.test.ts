import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditOf } from '../../testkit/app/audit.ts';
import {
  patchNote,
  putNote,
  removeNote,
  type SentEvent,
} from '../../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

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
  const first = putNote('n1', { title: 'A' });
  await tenant.push([first, putNote('gone'), removeNote('gone')]);
  const { results, failed } = await pushAsking(tenant, '?include=records', [
    first,
    patchNote('n1', { title: 'A' }),
    patchNote('n1', { title: 'B' }),
    putNote('n1', { title: 'old' }, { occurredAt: '2020-01-01T00:00:00Z', baseVersion: 0 }),
    patchNote('n2', { title: 'C' }),
    removeNote('gone'),
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
  await tenant.push([putNote('n1', { title: 'A' })]);
  const events = [putNote('n1', { title: 'A' }), putNote('n2')];
  const { results } = await pushAsking(tenant, '?include=results', events);
  expect(results).toMatchObject([{ status: 'noop', current: { data: { title: 'A' } } }, {}]);
  expect(results[1]).not.toHaveProperty('current');
});

test.each(['?include=results,records', '?include=records,results'])(
  'both can be asked for: %s',
  async (query) => {
    const tenant = await createTenant(service);
    const { results } = await pushAsking(tenant, query, [putNote('n1')]);
    expect(results).toMatchObject([{ status: 'applied', current: { entityId: 'n1' } }]);
  },
);

test.each(['?include=', '?include=everything', '?include=results,', '?include=records,other'])(
  '%s is no list of what a push can include',
  async (query) => {
    const answer = await service.request({
      method: 'POST',
      url: `/api/sync/events${query}`,
      body: { events: [putNote('n1')] },
    });
    expect(answer.body).toMatchObject({ code: 'INVALID_QUERY' });
    expect(answer.body.detail).toContain('results or records');
  },
);

test('conflicts that are only to be answered are not kept, and take no version', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' }), putNote('n1', { title: 'B' })]);
  const stale = putNote('n1', { title: 'C' }, { baseVersion: 1 });
  const { failed, results } = await tenant.push([stale, putNote('n2')], { conflicts: 'answer' });
  const current = await tenant.record('n1');
  expect(failed).toMatchObject([{ code: 'CONFLICT', current, differingFields: ['title'] }]);
  expect(results).toMatchObject([{ status: 'failed', current }, { version: 3 }]);
  expect((await auditOf(tenant).conflicts({ state: 'all' })).conflicts).toEqual([]);
  expect(await tenant.head()).toBe(3);

  // The client settled it by itself: the same key, on the version that won.
  const settled = { ...stale, baseVersion: 2 };
  expect(await tenant.pushStatuses([settled], { conflicts: 'answer' })).toEqual(['applied']);
});

test('a conflict that was kept stays kept, whoever asks again in which way', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' }), putNote('n1', { title: 'B' })]);
  const stale = putNote('n1', { title: 'C' }, { baseVersion: 1 });
  await tenant.push([stale]);
  expect(await tenant.pushStatuses([stale], { conflicts: 'answer' })).toEqual(['CONFLICT']);
  expect((await auditOf(tenant).conflicts()).conflicts).toHaveLength(1);
});

test('an atomic batch reports all of its conflicts at once', async () => {
  const tenant = await createTenant(service);
  await tenant.push([
    putNote('n1'),
    putNote('n1', { title: 'B' }),
    putNote('n2'),
    putNote('n2', { title: 'B' }),
  ]);
  const stale = ['n1', 'n2'].map((id) => putNote(id, { title: 'C' }, { baseVersion: 1 }));
  const { failed } = await tenant.push([putNote('n3'), ...stale], { atomic: true });
  expect(failed.map(({ code }) => code)).toEqual(['BATCH_ABORTED', 'CONFLICT', 'CONFLICT']);
});

test('a reused key is answered with what is stored under it', async () => {
  const tenant = await createTenant(service);
  const first = putNote('n1', { title: 'A' });
  await tenant.push([putNote('n0'), first]);
  const reused = { ...patchNote('n1', { title: 'B' }), identityKey: first.identityKey };
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
  const first = putNote('n1', { title: 'A' }, { baseVersion: 7 });
  const { failed } = await tenant.push([first, { ...first, baseVersion: 8 }]);
  expect(failed).toMatchObject([
    { code: 'CONFLICT' },
    { stored: { version: 1, outcome: 'conflict', kind: 'note.put' } },
  ]);
});
