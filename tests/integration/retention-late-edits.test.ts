import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { documentKinds } from '../testkit/oracle/documents.ts';
import { nextKey, patch, put, remove } from '../testkit/oracle/events.ts';
import { createTenant, type Tenant } from '../testkit/oracle/tenant.ts';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { startApp, type TestApp } from '../testkit/app.ts';
import { createCleaner, horizonsOf, letDaysPass, tombstonesOf } from '../testkit/retention.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, ...documentKinds('step', true)] });
});
afterAll(() => service.close());
beforeEach(() => service.sql('TRUNCATE tenants, events, records, purged_records, conflicts'));

/** A tenant whose note n1 was deleted longer ago than tombstones are kept, and is purged. */
async function createPurged(): Promise<Tenant> {
  const tenant = await createTenant(service);
  await tenant.push([put('n1', { title: 'A', body: 'B' }), put('n2'), remove('n1')]);
  await letDaysPass(tenant, 91);
  await createCleaner(service)();
  expect(await tombstonesOf(tenant)).toEqual([]);
  return tenant;
}

const live = async (tenant: Tenant) =>
  (await tenant.pull()).changes.map(({ entityId, data }) => [entityId, data]);

test('of a purged record the clock stays, and no value that its users wrote', async () => {
  const tenant = await createPurged();
  const rows = await service.sql('SELECT * FROM purged_records WHERE tenant_id = $1', [tenant.id]);
  expect(rows).toMatchObject([{ entity_id: 'n1', version: '3' }]);
  expect(rows[0]).not.toHaveProperty('data');
  const { put: newestPut, remove: newestRemove } = rows[0]?.clock ?? {};
  expect([newestPut, newestRemove]).toEqual([expect.any(Array), expect.any(Array)]);
});

test('a put from before the purged delete stays superseded, and a device sees no more of it', async () => {
  const tenant = await createPurged();
  const late = put('n1', { title: 'late' }, { occurredAt: '2020-01-01T00:00:00Z' });
  const { results } = await tenant.push([late]);
  expect(results).toMatchObject([{ status: 'superseded', current: { deleted: true } }]);
  expect((await live(tenant)).map(([id]) => id)).toEqual(['n2']);
});

test('a put from after the purged delete brings the record back', async () => {
  const tenant = await createPurged();
  const { checkpoint } = await tenant.pull();
  expect(await tenant.said([put('n1', { title: 'again' })])).toEqual(['applied']);
  const { changes } = await tenant.pull({ since: checkpoint });
  expect(changes).toMatchObject([{ entityId: 'n1', deleted: false, data: { title: 'again' } }]);
});

test('a remove from after the purged delete changes nothing', async () => {
  const tenant = await createPurged();
  expect(await tenant.said([remove('n1')])).toEqual(['noop']);
  expect((await live(tenant)).map(([id]) => id)).toEqual(['n2']);
});

test('a patch of a purged record never makes half a record of it', async () => {
  const tenant = await createPurged();
  const old = { occurredAt: '2020-01-01T00:00:00Z' };
  expect(await tenant.said([patch('n1', { title: 'T' })])).toEqual(['NOT_FOUND']);
  expect(await tenant.said([patch('n1', { title: 'T' }, old)])).toEqual(['superseded']);
  expect((await live(tenant)).map(([id]) => id)).toEqual(['n2']);
});

test('a patch of what nobody had put waits for the put, after the purge of a delete too', async () => {
  const tenant = await createTenant(service);
  await tenant.push([remove('n1')]);
  await letDaysPass(tenant, 91);
  await createCleaner(service)();
  const early = patch('n1', { title: 'T' }, { occurredAt: '2020-01-01T00:00:00Z' });
  expect(await tenant.said([early])).toEqual(['NOT_FOUND']);
  expect(await tenant.said([put('n1', { title: 'A', body: 'B' })])).toEqual(['applied']);
  expect(await tenant.said([early])).toEqual(['superseded']);
  expect(await live(tenant)).toEqual([['n1', { title: 'A', body: 'B' }]]);
});

test('a put that had lost before the purge leaves nothing for a later patch to revive', async () => {
  const tenant = await createTenant(service);
  const at = (second: number) => ({ occurredAt: `2026-01-01T00:00:${10 + second}Z` });
  await tenant.push([
    put('n1', { title: 'P1', body: 'P1' }, at(10)),
    put('n1', { title: 'P2', body: 'P2' }, at(20)),
    remove('n1', at(30)),
  ]);
  await letDaysPass(tenant, 91);
  await createCleaner(service)();
  expect(await tenant.said([put('n1', { title: 'P0', body: 'P0' }, at(5))])).toEqual([
    'superseded',
  ]);
  const newer = patch('n1', { title: 'new' }, at(40));
  expect(await tenant.said([newer])).toEqual(['NOT_FOUND']);
  expect(await live(tenant)).toEqual([]);
  expect(await tenant.said([put('n1', { title: 'P3', body: 'P3' }, at(35))])).toEqual(['applied']);
  expect(await tenant.said([newer])).toEqual(['applied']);
  expect(await live(tenant)).toEqual([['n1', { title: 'new', body: 'P3' }]]);
});

test('fields that were patched before the purged delete do not come back with a late put', async () => {
  const tenant = await createTenant(service);
  const at = (day: number) => ({ occurredAt: `2026-01-0${day}T00:00:00Z` });
  await tenant.push([
    put('n1', { title: 'A', body: 'B' }, at(1)),
    patch('n1', { title: 'patched' }, at(5)),
    remove('n1', at(6)),
  ]);
  await letDaysPass(tenant, 91);
  await createCleaner(service)();
  expect(await tenant.said([put('n1', { title: 'late', body: 'C' }, at(3))])).toEqual([
    'superseded',
  ]);
  expect(await tenant.said([patch('n1', { body: 'D' }, at(7))])).toEqual(['NOT_FOUND']);
  expect(await live(tenant)).toEqual([]);
});

test('an edit that was made on what was purged is a conflict, by version and by key', async () => {
  const tenant = await createTenant(service);
  const first = put('n1');
  await tenant.push([first, remove('n1')]);
  await letDaysPass(tenant, 91);
  await createCleaner(service)();
  const edits = [
    put('n1', { title: 'A' }, { baseVersion: 1 }),
    put('n1', { title: 'B' }, { baseKey: first.identityKey }),
    put('n1', { title: 'C' }, { baseVersion: 0 }),
  ];
  expect(await tenant.said(edits)).toEqual(['CONFLICT', 'CONFLICT', 'CONFLICT']);
  expect(await live(tenant)).toEqual([]);
  expect(await tenant.said([put('n1', {}, { baseVersion: 2 })])).toEqual(['applied']);
});

test('an entity may be deleted, purged and brought back again and again', async () => {
  const tenant = await createPurged();
  const clean = createCleaner(service);
  for (const round of [1, 2, 3]) {
    expect(await tenant.said([put('n1', { title: `${round}` })])).toEqual(['applied']);
    expect(await tenant.said([remove('n1')])).toEqual(['applied']);
    await letDaysPass(tenant, 91);
    await clean();
    expect(await tombstonesOf(tenant)).toEqual([]);
    const removed = 4 * round + 1;
    expect(await horizonsOf(tenant)).toMatchObject({ horizon: removed });
    const unseen = put('n1', {}, { baseVersion: removed - 1 });
    expect(await tenant.said([unseen])).toEqual(['CONFLICT']);
    const late = put('n1', {}, { occurredAt: '2020-01-01T00:00:00Z' });
    expect(await tenant.said([late])).toEqual(['superseded']);
    expect((await live(tenant)).map(([id]) => id)).toEqual(['n2']);
  }
});

test('of two purged deletes the second one decides: a put from between stays superseded', async () => {
  const tenant = await createTenant(service);
  const at = (day: number) => ({ occurredAt: `2026-01-0${day}T00:00:00Z` });
  const clean = createCleaner(service);
  await tenant.push([put('n1', {}, at(1)), put('n2'), remove('n1', at(2))]);
  await letDaysPass(tenant, 91);
  await clean();
  await tenant.push([put('n1', { title: 'again' }, at(4)), remove('n1', at(5))]);
  await letDaysPass(tenant, 91);
  await clean();
  expect(await tombstonesOf(tenant)).toEqual([]);
  expect(await tenant.said([put('n1', { title: 'between' }, at(3))])).toEqual(['superseded']);
  expect((await live(tenant)).map(([id]) => id)).toEqual(['n2']);
  expect(await tenant.said([put('n1', { title: 'after' }, at(6))])).toEqual(['applied']);
});

test('a tombstone that is brought back just before its purge stays, and the horizon where it was', async () => {
  const tenant = await createPurged();
  await tenant.push([remove('n2')]);
  await letDaysPass(tenant, 91, 3);
  const clean = createCleaner(service, {
    around: (session) => ({
      async purgeTombstones(range) {
        await tenant.push([put('n2', { title: 'back' })]);
        return session.purgeTombstones(range);
      },
    }),
  });
  expect(await clean()).toMatchObject({ tombstones: 0, errors: [] });
  expect(await horizonsOf(tenant)).toMatchObject({ horizon: 3 });
  expect((await live(tenant)).map(([id]) => id)).toEqual(['n2']);
});

test('an ordered entity goes on with its next number after it was purged', async () => {
  const tenant = await createTenant(service);
  const step = (verb: string, sequence: number, fields?: object) => ({
    identityKey: nextKey(),
    kind: `step.${verb}`,
    payload: { id: 's1', ...(fields && { fields }) },
    sequence,
  });
  await tenant.push([step('put', 1, { a: 1 }), step('remove', 2)]);
  await letDaysPass(tenant, 91);
  await createCleaner(service)();
  expect(await tombstonesOf(tenant)).toEqual([]);
  expect(await tenant.said([step('put', 2, { a: 2 })])).toEqual(['SEQUENCE_CONFLICT']);
  expect(await tenant.said([step('put', 3, { a: 3 })])).toEqual(['applied']);
});
