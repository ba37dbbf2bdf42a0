import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { nextKey, patch, put, remove } from '../testkit/oracle/events.ts';
import { createTenant, saidOf, type Tenant } from '../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../testkit/app.ts';
import { createCleaner, horizonsOf, letDaysPass } from '../testkit/retention.ts';

const yearMs = 365 * 86_400_000;

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());
beforeEach(() => service.sql('TRUNCATE tenants, events, records, purged_records, conflicts'));

/** The versions whose payload is still there. */
async function kept(tenant: Tenant): Promise<number[]> {
  const rows = await service.sql<{ version: number }>(
    `SELECT version::int AS version FROM events
      WHERE tenant_id = $1 AND payload IS NOT NULL ORDER BY version`,
    [tenant.id],
  );
  return rows.map(({ version }) => version);
}

test('without EVENT_RETENTION every event keeps its payload', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), put('n2')]);
  await letDaysPass(tenant, 5000);
  await createCleaner(service)();
  expect(await kept(tenant)).toEqual([1, 2]);
  expect(await horizonsOf(tenant)).toMatchObject({ logHorizon: 0 });
});

test('the payloads of older events go, batch by batch, and those of younger ones stay', async () => {
  const tenant = await createTenant(service);
  await tenant.push(Array.from({ length: 7 }, (_, at) => put(`n${at}`)));
  await letDaysPass(tenant, 366);
  await tenant.push([put('n8'), put('n9')]);
  const clean = createCleaner(service, { eventMs: yearMs, batchRows: 3 });
  expect(await clean()).toMatchObject({ payloads: 7 });
  expect(await kept(tenant)).toEqual([8, 9]);
  expect(await horizonsOf(tenant)).toEqual({ horizon: 0, logHorizon: 7 });
  expect(await clean()).toMatchObject({ payloads: 0 });
  await letDaysPass(tenant, 366, 7);
  expect(await clean()).toMatchObject({ payloads: 2 });
  expect(await kept(tenant)).toEqual([]);
});

test('an event whose payload is gone still answers duplicate, with its outcome and version', async () => {
  const tenant = await createTenant(service);
  const events = [
    put('n1', { title: 'A' }),
    put('n1', { title: 'A' }),
    put('n1', { title: 'late' }, { occurredAt: '2020-01-01T00:00:00Z' }),
    patch('n1', { body: 'B' }),
    remove('n1'),
  ];
  const first = await tenant.push(events);
  await letDaysPass(tenant, 366);
  await createCleaner(service, { eventMs: yearMs })();
  expect(await kept(tenant)).toEqual([]);
  const again = await tenant.push(events);
  expect(saidOf(again)).toEqual(saidOf(first).map((said) => `duplicate of ${said}`));
  expect(again.results?.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5]);
  const reused = { ...put('n9'), identityKey: events[0]?.identityKey ?? '' };
  expect(await tenant.said([reused])).toEqual(['IDENTITY_KEY_REUSED']);
  expect(await tenant.head()).toBe(5);
});

test('a conflict keeps its payload, and its sender is told the same again', async () => {
  const tenant = await createTenant(service);
  const loser = put('n1', { title: 'B' }, { baseVersion: 1 });
  await tenant.push([put('n1'), put('n1', { title: 'A' })]);
  const first = await tenant.push([loser]);
  expect(saidOf(first)).toEqual(['CONFLICT']);
  await letDaysPass(tenant, 366);
  const clean = createCleaner(service, { eventMs: yearMs, batchRows: 1 });
  expect(await clean()).toMatchObject({ payloads: 2 });
  expect(await kept(tenant)).toEqual([3]);
  expect(await horizonsOf(tenant)).toMatchObject({ logHorizon: 3 });
  expect((await tenant.push([loser])).failed).toEqual(first.failed);
});

test('checkpoints and edits that stand on an event whose payload is gone still work', async () => {
  const tenant = await createTenant(service);
  const base = put('n1', { title: 'A' });
  await tenant.push([base]);
  await letDaysPass(tenant, 366);
  const puller = tenant.device('puller');
  await puller.catchUp(1);
  await createCleaner(service, { eventMs: yearMs })();
  expect(await kept(tenant)).toEqual([]);
  const edit = patch('n1', { title: 'B' }, { baseKey: base.identityKey, identityKey: nextKey() });
  expect(await tenant.said([edit])).toEqual(['applied']);
  await puller.catchUp(1);
  // The model knows of no days that pass in a moment.
  await expectNothingLost({ ...tenant.books, devices: [puller], model: null });
});
