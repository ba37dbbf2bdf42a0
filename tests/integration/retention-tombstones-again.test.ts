import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { ofTenant } from '../testkit/postgres/tenant-history.ts';
import {
  createRetentionRunner,
  horizonsOf,
  letDaysPass,
  tombstonesOf,
} from '../testkit/app/retention.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());
beforeEach(() => service.sql('TRUNCATE tenants, events, records, purged_records, conflicts'));

const long = { occurredAt: '2020-01-01T00:00:00Z' };
const data = { title: 'T' };

/** Creates a tenant whose note n1 was deleted and purged. `clean` runs further passes of the same process. */
async function createPurged() {
  const tenant = await createTenant(service);
  const clean = createRetentionRunner(service);
  await tenant.push([putNote('n1', { title: 'A', body: 'B' }), putNote('n2'), removeNote('n1')]);
  await letDaysPass(tenant, 91);
  expect(await clean()).toMatchObject({ tombstones: 1 });
  expect(await tombstonesOf(tenant)).toEqual([]);
  return { tenant, clean };
}

/** The same. `n1` is the note as a device sees it that has pulled since the purge. */
async function createPurgedAndPulled() {
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
  ['from before the purged delete', () => removeNote('n1', long), 'superseded'],
  ['from after the purged delete', () => removeNote('n1'), 'noop'],
] as const;

test.each(lateRemoves)(
  'a purged record stays purged after a late remove %s: a patch from before the delete is superseded',
  async (_when, makeRemove, expected) => {
    const { tenant } = await createPurged();
    expect(await tenant.pushStatuses([makeRemove()])).toEqual([expected]);
    expect(await tenant.pushStatuses([patchNote('n1', data, long)])).toEqual(['superseded']);
    expect(await tenant.pushStatuses([patchNote('n1', data)])).toEqual(['NOT_FOUND']);
    expect(await live(tenant)).toEqual([['n2', false]]);
  },
);

test.each(lateRemoves)('the same holds within one batch: a late remove %s', async (...row) => {
  const [, makeRemove, expected] = row;
  const { tenant } = await createPurged();
  const statuses = await tenant.pushStatuses([makeRemove(), patchNote('n1', data), makeRemove()]);
  expect(statuses).toEqual([expected, 'NOT_FOUND', 'BLOCKED']);
});

test.each(lateRemoves)('the same holds for concurrent pushes: a late remove %s', async (...row) => {
  const [, makeRemove, expected] = row;
  const { tenant } = await createPurged();
  const [removed, patched] = await Promise.all([
    tenant.pushStatuses([makeRemove()], {}, 'phone'),
    tenant.pushStatuses([patchNote('n1', data, long)], {}, 'tablet'),
  ]);
  expect([removed, patched]).toEqual([[expected], ['superseded']]);
});

test('a put from after the purged delete restores the whole record, also after a late remove', async () => {
  const { tenant, n1 } = await createPurgedAndPulled();
  await tenant.push([removeNote('n1', long)]);
  expect(await tenant.pushStatuses([putNote('n1', data)])).toEqual(['applied']);
  expect(await n1()).toMatchObject({ deleted: false, data: { ...data, body: '' } });
  expect(await tenant.pushStatuses([patchNote('n1', { body: 'new' })])).toEqual(['applied']);
});

const returns = [
  ...lateRemoves,
  ['or a put from before the purged delete', () => putNote('n1', data, long), 'superseded'],
] as const;

test.each(returns)(
  'a restored tombstone gets a new version and is purged again: a late remove %s',
  async (_what, make, expected) => {
    const { tenant, clean, n1 } = await createPurgedAndPulled();
    expect(await tenant.pushStatuses([make()])).toEqual([expected]);
    expect(await tombstonesOf(tenant)).toEqual(['n1']);
    expect(await n1()).toMatchObject({ deleted: true, version: 4 });
    expect(await clean()).toMatchObject({ tombstones: 0 });
    await letDaysPass(tenant, 91);
    expect(await clean()).toMatchObject({ tombstones: 1 });
    expect(await tombstonesOf(tenant)).toEqual([]);
    expect(await horizonsOf(tenant)).toMatchObject({ horizon: 4 });
    expect(await tenant.pushStatuses([patchNote('n1', data, long)])).toEqual(['superseded']);
  },
);

test('another process purges a restored tombstone too', async () => {
  const { tenant } = await createPurged();
  await tenant.push([removeNote('n1', long)]);
  await letDaysPass(tenant, 91);
  expect(await createRetentionRunner(service)()).toMatchObject({ tombstones: 1 });
  expect(await tombstonesOf(tenant)).toEqual([]);
  expect(await horizonsOf(tenant)).toMatchObject({ horizon: 4 });
});

test('after a put has restored the record, an event without a change makes no edit stale, also in one batch', async () => {
  const { tenant } = await createPurged();
  const first = putNote('n1', data);
  const next = patchNote('n1', { body: 'new' }, { baseKey: first.identityKey });
  expect(await tenant.pushStatuses([first, putNote('n1', data), next])).toEqual([
    'applied',
    'noop',
    'applied',
  ]);
});

test('a record stays purged and known, however often a device removes it', async () => {
  const { tenant, clean } = await createPurged();
  // The patch restores the tombstone in the feed, and the next remove does not change it.
  for (const horizon of [4, 5, 7]) {
    expect(await tenant.pushStatuses([removeNote('n1', long)])).toEqual(['superseded']);
    await letDaysPass(tenant, 91);
    expect(await clean()).toMatchObject({ tombstones: 1 });
    expect(await horizonsOf(tenant)).toMatchObject({ horizon });
    expect(await tombstonesOf(tenant)).toEqual([]);
    expect(await tenant.pushStatuses([patchNote('n1', data, long)])).toEqual(['superseded']);
    expect(await tombstonesOf(tenant)).toEqual(['n1']);
  }
  const rows = await service.sql(`SELECT clock FROM purged_records WHERE ${ofTenant}`, [tenant.id]);
  expect(rows).toHaveLength(1);
});
