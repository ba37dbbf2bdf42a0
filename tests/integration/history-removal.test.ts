import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPool } from '../../src/postgres/client/pool.ts';
import { createTenantRemoval } from '../../src/postgres/tenants/tenant-removal.ts';
import { auditOf } from '../testkit/oracle/audit.ts';
import { storeroomKinds } from '../testkit/oracle/audit-kinds.ts';
import { nextKey, put } from '../testkit/oracle/events.ts';
import { createTenant, type Tenant } from '../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../testkit/app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: storeroomKinds });
});
afterAll(() => service.close());

/** A note with a conflict that is settled (version 3, by 5) and one that is open (version 4). */
async function createDisputed(): Promise<Tenant & { readonly settled: string }> {
  const tenant = await createTenant(service);
  const [settled, open] = [put('n1', {}, { baseVersion: 1 }), put('n1', {}, { baseVersion: 1 })];
  await tenant.push([put('n1', { title: 'A' }), put('n1', { title: 'B' }), settled, open]);
  await auditOf(tenant).resolve(settled.identityKey, { resolution: 'discard' });
  return { ...tenant, settled: settled.identityKey };
}

/** As a removal does between two statements of one who reads. */
async function loseEvents(tenant: Tenant, from: number, to: number): Promise<void> {
  await service.sql('DELETE FROM events WHERE tenant_id = $1 AND version BETWEEN $2 AND $3', [
    tenant.id,
    from,
    to,
  ]);
}

test('a conflict whose event has gone is left out of the list', async () => {
  const tenant = await createDisputed();
  await loseEvents(tenant, 4, 4);
  const { conflicts } = await auditOf(tenant).conflicts({ state: 'all' });
  expect(conflicts.map(({ version }) => version)).toEqual([3]);
});

test('a conflict is not called open where the event that settled it has gone', async () => {
  const tenant = await createDisputed();
  await loseEvents(tenant, 5, 5);
  const { conflicts } = await auditOf(tenant).conflicts({ state: 'all' });
  expect(conflicts.map(({ version }) => version)).toEqual([4]);
  expect((await auditOf(tenant).find(tenant.settled)).status).toBe(404);
});

test.each([
  ['the conflict', 3, [1, 2, 4, 5]],
  ['what settled it', 5, [1, 2, 3, 4]],
])('a history points to nothing that has gone: %s', async (_what, gone, left) => {
  const tenant = await createDisputed();
  await loseEvents(tenant, gone, gone);
  const { events } = await auditOf(tenant).history('note', 'n1');
  expect(events.map(({ version }) => version)).toEqual(left);
  for (const event of events) expect(event).toMatchObject({ resolves: null, resolvedBy: null });
});

test('an effect whose event has gone is left out of the history', async () => {
  const tenant = await createTenant(service);
  const sender = { ...tenant.sender(), scope: 'sync:push sync:pull shelf:admin' };
  const shelf = { identityKey: nextKey(), kind: 'shelf.put', payload: { id: 's', room: 9 } };
  const place = (id: string) => ({
    ...{ identityKey: nextKey(), kind: 'thing.place', payload: { id, shelf: 's' } },
  });
  await service.push([shelf, place('a'), place('b')], {}, sender);
  await loseEvents(tenant, 2, 2);
  const { events } = await auditOf(tenant).history('shelf', 's');
  expect(events.map(({ version }) => version)).toEqual([1, 3]);
});

test('who reads while a tenant is removed is answered with what is left', async () => {
  const tenant = await createDisputed();
  for (let round = 0; round < 5; round += 1) {
    const stale = Array.from({ length: 300 }, () => put('n1', {}, { baseVersion: 1 }));
    await tenant.push(stale);
  }
  const pool = createPool({
    ...{ connectionString: service.database.url, max: 1 },
    onIdleError: () => {},
  });
  const work = { done: false };
  const seen = new Set<number>();
  const readers = [
    'conflicts?state=all&limit=200',
    `conflicts/${tenant.settled}`,
    'entities/note/n1/events?limit=200',
    `receipts?identityKeys=${tenant.settled}`,
  ].flatMap((path) => [path, path]);
  const reading = readers.map(async (path) => {
    while (!work.done) {
      const url = `/api/sync/${path}`;
      seen.add((await service.request({ url, sender: tenant.sender() })).status);
    }
  });
  await createTenantRemoval(pool).remove(tenant.id, 100);
  work.done = true;
  await Promise.all(reading);
  await pool.end();
  expect([...seen].filter((status) => ![200, 404].includes(status))).toEqual([]);
});
