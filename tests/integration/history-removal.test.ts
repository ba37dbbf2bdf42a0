import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPool } from '../../src/postgres/client/pool.ts';
import { createTenantRemoval } from '../../src/postgres/tenants/tenant-removal.ts';
import { auditOf } from '../testkit/app/audit.ts';
import { storeroomKinds } from '../testkit/kinds/storeroom-kinds.ts';
import { nextKey, putNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { ofTenant } from '../testkit/postgres/tenant-history.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: storeroomKinds });
});
afterAll(() => service.close());

/** Creates a note with a resolved conflict (version 3, by version 5) and an open one (version 4). */
async function createConflicts(): Promise<Tenant & { readonly settled: string }> {
  const tenant = await createTenant(service);
  const [settled, open] = [
    putNote('n1', {}, { baseVersion: 1 }),
    putNote('n1', {}, { baseVersion: 1 }),
  ];
  await tenant.push([putNote('n1', { title: 'A' }), putNote('n1', { title: 'B' }), settled, open]);
  await auditOf(tenant).resolve(settled.identityKey, { resolution: 'discard' });
  return { ...tenant, settled: settled.identityKey };
}

/** Deletes events, as the removal of a tenant can do between two statements of a reader. */
async function deleteEvents(tenant: Tenant, from: number, to: number): Promise<void> {
  await service.sql(`DELETE FROM events WHERE ${ofTenant} AND version BETWEEN $2 AND $3`, [
    tenant.id,
    from,
    to,
  ]);
}

test('a conflict whose event was deleted is not in the list', async () => {
  const tenant = await createConflicts();
  await deleteEvents(tenant, 4, 4);
  const { conflicts } = await auditOf(tenant).conflicts({ state: 'all' });
  expect(conflicts.map(({ version }) => version)).toEqual([3]);
});

test('a conflict is not shown as open if the event that resolved it was deleted', async () => {
  const tenant = await createConflicts();
  await deleteEvents(tenant, 5, 5);
  const { conflicts } = await auditOf(tenant).conflicts({ state: 'all' });
  expect(conflicts.map(({ version }) => version)).toEqual([4]);
  expect((await auditOf(tenant).find(tenant.settled)).status).toBe(404);
});

test.each([
  ['the conflict', 3, {}, [5, 4]],
  ['its resolution', 5, { before: 4 }, [3, 2, 1]],
])('a history has no links to deleted events: %s', async (_what, deleted, query, remaining) => {
  const tenant = await createConflicts();
  await deleteEvents(tenant, deleted, deleted);
  const { events } = await auditOf(tenant).history('note', 'n1', query);
  expect(events.map(({ version }) => version)).toEqual(remaining);
  for (const event of events) expect(event).toMatchObject({ resolves: null, resolvedBy: null });
});

test('an effect whose event was deleted is not in the history', async () => {
  const tenant = await createTenant(service);
  const sender = { ...tenant.sender(), scope: 'sync:push sync:pull shelf:admin' };
  const shelf = { identityKey: nextKey(), kind: 'shelf.put', payload: { id: 's', room: 9 } };
  const place = (id: string) => ({
    ...{ identityKey: nextKey(), kind: 'thing.place', payload: { id, shelf: 's' } },
  });
  await service.push([shelf, place('a'), place('b')], {}, sender);
  await deleteEvents(tenant, 2, 2);
  const { events } = await auditOf(tenant).history('shelf', 's');
  expect(events.map(({ version }) => version)).toEqual([3, 1]);
});

test('a reader during the removal of a tenant gets the remaining data', async () => {
  const tenant = await createConflicts();
  for (let round = 0; round < 5; round += 1) {
    const stale = Array.from({ length: 300 }, () => putNote('n1', {}, { baseVersion: 1 }));
    await tenant.push(stale);
  }
  const pool = createPool({
    ...{ connectionString: service.database.url, max: 1 },
    onIdleError: () => {},
  });
  const work = { done: false };
  const statuses = new Set<number>();
  const readers = [
    'conflicts?state=all&limit=200',
    `conflicts/${tenant.settled}`,
    'entities/note/n1/events?limit=200',
    `receipts?identityKeys=${tenant.settled}`,
  ].flatMap((path) => [path, path]);
  const reading = readers.map(async (path) => {
    while (!work.done) {
      const url = `/api/sync/${path}`;
      statuses.add((await service.request({ url, sender: tenant.sender() })).status);
    }
  });
  await createTenantRemoval(pool).remove(tenant.id, 100);
  work.done = true;
  await Promise.all(reading);
  await pool.end();
  expect([...statuses].filter((status) => ![200, 404].includes(status))).toEqual([]);
});
