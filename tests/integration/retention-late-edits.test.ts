import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { documentKinds } from '../testkit/kinds/document-kinds.ts';
import { nextKey, patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { bundledKinds } from '../../src/systems/bundled.ts';
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
  service = await startApp({ kinds: [...bundledKinds, ...documentKinds('step', true)] });
});
afterAll(() => service.close());
beforeEach(() => service.sql('TRUNCATE tenants, events, records, purged_records, conflicts'));

/** Creates a tenant whose note n1 was deleted and purged. */
async function createPurged(): Promise<Tenant> {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A', body: 'B' }), putNote('n2'), removeNote('n1')]);
  await letDaysPass(tenant, 91);
  await createRetentionRunner(service)();
  expect(await tombstonesOf(tenant)).toEqual([]);
  return tenant;
}

const live = async (tenant: Tenant) =>
  (await tenant.pull()).changes.map(({ entityId, data }) => [entityId, data]);

test('a purged record keeps its clock, and none of its data', async () => {
  const tenant = await createPurged();
  const rows = await service.sql(`SELECT * FROM purged_records WHERE ${ofTenant}`, [tenant.id]);
  expect(rows).toMatchObject([{ entity_id: 'n1', version: '3' }]);
  expect(rows[0]).not.toHaveProperty('data');
  const { put: newestPut, remove: newestRemove } = rows[0]?.clock ?? {};
  expect([newestPut, newestRemove]).toEqual([expect.any(Array), expect.any(Array)]);
});

test('a put from before the purged delete is superseded, and no device sees it', async () => {
  const tenant = await createPurged();
  const late = putNote('n1', { title: 'late' }, { occurredAt: '2020-01-01T00:00:00Z' });
  const { results } = await tenant.push([late]);
  expect(results).toMatchObject([{ status: 'superseded', current: { deleted: true } }]);
  expect((await live(tenant)).map(([id]) => id)).toEqual(['n2']);
});

test('a put from after the purged delete restores the record', async () => {
  const tenant = await createPurged();
  const { checkpoint } = await tenant.pull();
  expect(await tenant.pushStatuses([putNote('n1', { title: 'again' })])).toEqual(['applied']);
  const { changes } = await tenant.pull({ since: checkpoint });
  expect(changes).toMatchObject([{ entityId: 'n1', deleted: false, data: { title: 'again' } }]);
});

test('a remove from after the purged delete changes nothing', async () => {
  const tenant = await createPurged();
  expect(await tenant.pushStatuses([removeNote('n1')])).toEqual(['noop']);
  expect((await live(tenant)).map(([id]) => id)).toEqual(['n2']);
});

test('a patch of a purged record never creates an incomplete record', async () => {
  const tenant = await createPurged();
  const old = { occurredAt: '2020-01-01T00:00:00Z' };
  expect(await tenant.pushStatuses([patchNote('n1', { title: 'T' })])).toEqual(['NOT_FOUND']);
  expect(await tenant.pushStatuses([patchNote('n1', { title: 'T' }, old)])).toEqual(['superseded']);
  expect((await live(tenant)).map(([id]) => id)).toEqual(['n2']);
});

test('a patch of a record without a put waits for the put, also after the purge of a delete', async () => {
  const tenant = await createTenant(service);
  await tenant.push([removeNote('n1')]);
  await letDaysPass(tenant, 91);
  await createRetentionRunner(service)();
  const early = patchNote('n1', { title: 'T' }, { occurredAt: '2020-01-01T00:00:00Z' });
  expect(await tenant.pushStatuses([early])).toEqual(['NOT_FOUND']);
  expect(await tenant.pushStatuses([putNote('n1', { title: 'A', body: 'B' })])).toEqual([
    'applied',
  ]);
  expect(await tenant.pushStatuses([early])).toEqual(['superseded']);
  expect(await live(tenant)).toEqual([['n1', { title: 'A', body: 'B' }]]);
});

test('a patch does not restore fields of a put that was superseded before the purge', async () => {
  const tenant = await createTenant(service);
  const at = (second: number) => ({ occurredAt: `2026-01-01T00:00:${10 + second}Z` });
  await tenant.push([
    putNote('n1', { title: 'P1', body: 'P1' }, at(10)),
    putNote('n1', { title: 'P2', body: 'P2' }, at(20)),
    removeNote('n1', at(30)),
  ]);
  await letDaysPass(tenant, 91);
  await createRetentionRunner(service)();
  expect(await tenant.pushStatuses([putNote('n1', { title: 'P0', body: 'P0' }, at(5))])).toEqual([
    'superseded',
  ]);
  const newer = patchNote('n1', { title: 'new' }, at(40));
  expect(await tenant.pushStatuses([newer])).toEqual(['NOT_FOUND']);
  expect(await live(tenant)).toEqual([]);
  expect(await tenant.pushStatuses([putNote('n1', { title: 'P3', body: 'P3' }, at(35))])).toEqual([
    'applied',
  ]);
  expect(await tenant.pushStatuses([newer])).toEqual(['applied']);
  expect(await live(tenant)).toEqual([['n1', { title: 'new', body: 'P3' }]]);
});

test('a late put does not restore fields that were patched before the purged delete', async () => {
  const tenant = await createTenant(service);
  const at = (day: number) => ({ occurredAt: `2026-01-0${day}T00:00:00Z` });
  await tenant.push([
    putNote('n1', { title: 'A', body: 'B' }, at(1)),
    patchNote('n1', { title: 'patched' }, at(5)),
    removeNote('n1', at(6)),
  ]);
  await letDaysPass(tenant, 91);
  await createRetentionRunner(service)();
  expect(await tenant.pushStatuses([putNote('n1', { title: 'late', body: 'C' }, at(3))])).toEqual([
    'superseded',
  ]);
  expect(await tenant.pushStatuses([patchNote('n1', { body: 'D' }, at(7))])).toEqual(['NOT_FOUND']);
  expect(await live(tenant)).toEqual([]);
});

test('an edit with a purged base is a conflict, by version and by key', async () => {
  const tenant = await createTenant(service);
  const first = putNote('n1');
  await tenant.push([first, removeNote('n1')]);
  await letDaysPass(tenant, 91);
  await createRetentionRunner(service)();
  const edits = [
    putNote('n1', { title: 'A' }, { baseVersion: 1 }),
    putNote('n1', { title: 'B' }, { baseKey: first.identityKey }),
    putNote('n1', { title: 'C' }, { baseVersion: 0 }),
  ];
  expect(await tenant.pushStatuses(edits)).toEqual(['CONFLICT', 'CONFLICT', 'CONFLICT']);
  expect(await live(tenant)).toEqual([]);
  expect(await tenant.pushStatuses([putNote('n1', {}, { baseVersion: 2 })])).toEqual(['applied']);
});

test('an entity can be deleted, purged and restored repeatedly', async () => {
  const tenant = await createPurged();
  const clean = createRetentionRunner(service);
  for (const round of [1, 2, 3]) {
    expect(await tenant.pushStatuses([putNote('n1', { title: `${round}` })])).toEqual(['applied']);
    expect(await tenant.pushStatuses([removeNote('n1')])).toEqual(['applied']);
    await letDaysPass(tenant, 91);
    await clean();
    expect(await tombstonesOf(tenant)).toEqual([]);
    const removed = 4 * round + 1;
    expect(await horizonsOf(tenant)).toMatchObject({ horizon: removed });
    const unseen = putNote('n1', {}, { baseVersion: removed - 1 });
    expect(await tenant.pushStatuses([unseen])).toEqual(['CONFLICT']);
    const late = putNote('n1', {}, { occurredAt: '2020-01-01T00:00:00Z' });
    expect(await tenant.pushStatuses([late])).toEqual(['superseded']);
    expect((await live(tenant)).map(([id]) => id)).toEqual(['n2']);
  }
});

test('the later one of two purged deletes decides: a put between them is superseded', async () => {
  const tenant = await createTenant(service);
  const at = (day: number) => ({ occurredAt: `2026-01-0${day}T00:00:00Z` });
  const clean = createRetentionRunner(service);
  await tenant.push([putNote('n1', {}, at(1)), putNote('n2'), removeNote('n1', at(2))]);
  await letDaysPass(tenant, 91);
  await clean();
  await tenant.push([putNote('n1', { title: 'again' }, at(4)), removeNote('n1', at(5))]);
  await letDaysPass(tenant, 91);
  await clean();
  expect(await tombstonesOf(tenant)).toEqual([]);
  expect(await tenant.pushStatuses([putNote('n1', { title: 'between' }, at(3))])).toEqual([
    'superseded',
  ]);
  expect((await live(tenant)).map(([id]) => id)).toEqual(['n2']);
  expect(await tenant.pushStatuses([putNote('n1', { title: 'after' }, at(6))])).toEqual([
    'applied',
  ]);
});

test('a record that is restored just before its purge stays, and the horizon does not move', async () => {
  const tenant = await createPurged();
  await tenant.push([removeNote('n2')]);
  await letDaysPass(tenant, 91, 3);
  const clean = createRetentionRunner(service, {
    overrideSession: (session) => ({
      async purgeTombstones(range) {
        await tenant.push([putNote('n2', { title: 'back' })]);
        return session.purgeTombstones(range);
      },
    }),
  });
  expect(await clean()).toMatchObject({ tombstones: 0, errors: [] });
  expect(await horizonsOf(tenant)).toMatchObject({ horizon: 3 });
  expect((await live(tenant)).map(([id]) => id)).toEqual(['n2']);
});

test('an ordered entity continues with its next sequence number after its purge', async () => {
  const tenant = await createTenant(service);
  const step = (verb: string, sequence: number, fields?: object) => ({
    identityKey: nextKey(),
    kind: `step.${verb}`,
    payload: { id: 's1', ...(fields && { fields }) },
    sequence,
  });
  await tenant.push([step('put', 1, { a: 1 }), step('remove', 2)]);
  await letDaysPass(tenant, 91);
  await createRetentionRunner(service)();
  expect(await tombstonesOf(tenant)).toEqual([]);
  expect(await tenant.pushStatuses([step('put', 2, { a: 2 })])).toEqual(['SEQUENCE_CONFLICT']);
  expect(await tenant.pushStatuses([step('put', 3, { a: 3 })])).toEqual(['applied']);
});
