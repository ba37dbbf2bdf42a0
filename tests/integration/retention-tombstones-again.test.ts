import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { patch, put, remove } from '../testkit/oracle/events.ts';
import { createTenant, type Tenant } from '../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../testkit/app.ts';
import { createCleaner, horizonsOf, letDaysPass, tombstonesOf } from '../testkit/retention.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());
beforeEach(() => service.sql('TRUNCATE tenants, events, records, purged_records, conflicts'));

const long = { occurredAt: '2020-01-01T00:00:00Z' };
const data = { title: 'T' };

/** A tenant whose note n1 was deleted and purged, and the process that purged it. */
async function createPurged() {
  const tenant = await createTenant(service);
  const clean = createCleaner(service);
  await tenant.push([put('n1', { title: 'A', body: 'B' }), put('n2'), remove('n1')]);
  await letDaysPass(tenant, 91);
  expect(await clean()).toMatchObject({ tombstones: 1 });
  expect(await tombstonesOf(tenant)).toEqual([]);
  return { tenant, clean };
}

/** As a device sees it that has pulled since the purge. */
async function createWatched() {
  const { tenant, clean } = await createPurged();
  const { checkpoint: since } = await tenant.pull();
  const n1 = async () => {
    const { changes } = await tenant.pull({ since });
    return changes.find(({ entityId }) => entityId === 'n1');
  };
  return { tenant, clean, n1 };
}

const live = async (tenant: Tenant) =>
  (await tenant.pull()).changes.map(({ entityId, deleted }) => [entityId, deleted]);

const lateRemoves = [
  ['from before the purged delete', () => remove('n1', long), 'superseded'],
  ['from after it', () => remove('n1'), 'noop'],
] as const;

test.each(lateRemoves)(
  'a purged record stays purged after a late remove %s: a patch from before the delete has lost',
  async (_when, makeRemove, told) => {
    const { tenant } = await createPurged();
    expect(await tenant.said([makeRemove()])).toEqual([told]);
    expect(await tenant.said([patch('n1', data, long)])).toEqual(['superseded']);
    expect(await tenant.said([patch('n1', data)])).toEqual(['NOT_FOUND']);
    expect(await live(tenant)).toEqual([['n2', false]]);
  },
);

test.each(lateRemoves)('and so it does within one batch: a late remove %s', async (...row) => {
  const [, makeRemove, told] = row;
  const { tenant } = await createPurged();
  const said = await tenant.said([makeRemove(), patch('n1', data), makeRemove()]);
  expect(said).toEqual([told, 'NOT_FOUND', 'BLOCKED']);
});

test.each(lateRemoves)('and so it does where both are sent at once: %s', async (...row) => {
  const [, makeRemove, told] = row;
  const { tenant } = await createPurged();
  const [removed, patched] = await Promise.all([
    tenant.said([makeRemove()], {}, 'phone'),
    tenant.said([patch('n1', data, long)], {}, 'tablet'),
  ]);
  expect([removed, patched]).toEqual([[told], ['superseded']]);
});

test('a put from after the purged delete brings it back whole, also behind a late remove', async () => {
  const { tenant, n1 } = await createWatched();
  await tenant.push([remove('n1', long)]);
  expect(await tenant.said([put('n1', data)])).toEqual(['applied']);
  expect(await n1()).toMatchObject({ deleted: false, data: { ...data, body: '' } });
  expect(await tenant.said([patch('n1', { body: 'new' })])).toEqual(['applied']);
});

const returns = [
  ...lateRemoves,
  ['that is none, but a put from before it', () => put('n1', data, long), 'superseded'],
] as const;

test.each(returns)(
  'a tombstone that came back takes a new version, and is purged again: a late remove %s',
  async (_what, make, told) => {
    const { tenant, clean, n1 } = await createWatched();
    expect(await tenant.said([make()])).toEqual([told]);
    expect(await tombstonesOf(tenant)).toEqual(['n1']);
    expect(await n1()).toMatchObject({ deleted: true, version: 4 });
    expect(await clean()).toMatchObject({ tombstones: 0 });
    await letDaysPass(tenant, 91);
    expect(await clean()).toMatchObject({ tombstones: 1 });
    expect(await tombstonesOf(tenant)).toEqual([]);
    expect(await horizonsOf(tenant)).toMatchObject({ horizon: 4 });
    expect(await tenant.said([patch('n1', data, long)])).toEqual(['superseded']);
  },
);

test('another process purges it again just so', async () => {
  const { tenant } = await createPurged();
  await tenant.push([remove('n1', long)]);
  await letDaysPass(tenant, 91);
  expect(await createCleaner(service)()).toMatchObject({ tombstones: 1 });
  expect(await tombstonesOf(tenant)).toEqual([]);
  expect(await horizonsOf(tenant)).toMatchObject({ horizon: 4 });
});

test('once a put brought it back, what changes nothing makes no edit stale, in its batch either', async () => {
  const { tenant } = await createPurged();
  const first = put('n1', data);
  const next = patch('n1', { body: 'new' }, { baseKey: first.identityKey });
  expect(await tenant.said([first, put('n1', data), next])).toEqual(['applied', 'noop', 'applied']);
});

test('however often a device removes what is gone, it stays gone, and known', async () => {
  const { tenant, clean } = await createPurged();
  // The patch puts the tombstone back into the feed, where the next remove leaves it as it is.
  for (const horizon of [4, 5, 7]) {
    expect(await tenant.said([remove('n1', long)])).toEqual(['superseded']);
    await letDaysPass(tenant, 91);
    expect(await clean()).toMatchObject({ tombstones: 1 });
    expect(await horizonsOf(tenant)).toMatchObject({ horizon });
    expect(await tombstonesOf(tenant)).toEqual([]);
    expect(await tenant.said([patch('n1', data, long)])).toEqual(['superseded']);
    expect(await tombstonesOf(tenant)).toEqual(['n1']);
  }
  const rows = await service.sql('SELECT clock FROM purged_records WHERE tenant_id = $1', [
    tenant.id,
  ]);
  expect(rows).toHaveLength(1);
});
