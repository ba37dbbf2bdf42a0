import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createPool, type SchemaPool } from '../../src/postgres/client/pool.ts';
import { createTenantRemoval } from '../../src/postgres/tenants/tenant-removal.ts';
import { putNote, removeNote } from '../testkit/events/sent-events.ts';
import { auditOf } from '../testkit/app/audit.ts';
import { createRetentionRunner } from '../testkit/app/retention.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { createPlainDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { withClient } from '../testkit/postgres/client.ts';

let database: TestDatabase;
/** Two services on one database, each with a schema of its own: `landfall` and `shop_sync`. */
let ours: TestApp;
let theirs: TestApp;
let pool: SchemaPool;
let tenant: Tenant;
beforeAll(async () => {
  database = await createPlainDatabase();
  const url = new URL(database.url);
  url.searchParams.set('schema', 'shop_sync');
  ours = await startApp({ database });
  theirs = await startApp({ database: { ...database, url: url.href } });
  pool = createPool({ connectionString: url.href, max: 1, onIdleError: () => {} });
});
afterAll(async () => {
  await pool.end();
  await Promise.all([ours.close(), theirs.close()]);
  await database.drop();
});
beforeEach(async () => {
  tenant = await createTenant(theirs);
});

const rows = async (text: string) =>
  (await withClient(database.url, (client) => client.query(text, [tenant.id]))).rows;

test('two services with schemas of their own work side by side, also for a tenant with the same name', async () => {
  const sender = tenant.sender();
  const event = putNote('n1', { title: 'theirs' });
  await tenant.push([event]);
  const [own] = (await ours.push([putNote('n1', { title: 'ours' })], {}, sender)).results ?? [];
  expect(own).toMatchObject({ status: 'applied', version: 1 });
  expect((await ours.pull({}, sender)).changes).toMatchObject([{ data: { title: 'ours' } }]);
  expect((await tenant.pull()).changes).toMatchObject([{ data: { title: 'theirs' } }]);
  const text = 'SELECT identity_key AS key FROM shop_sync.event_log WHERE tenant_id = $1';
  expect(await rows(text)).toEqual([{ key: event.identityKey }]);
});

test('a service with a schema of its own reads conflicts, histories and receipts, and counts resends there', async () => {
  const conflict = putNote('n1', { title: 'B' }, { baseVersion: 0 });
  const first = putNote('n1', { title: 'A' });
  await tenant.push([first, conflict]);
  await tenant.push([first]);
  const audit = auditOf(tenant);
  expect((await audit.conflicts()).conflicts).toMatchObject([{ version: 2 }]);
  const counts = async () =>
    (await audit.history('note', 'n1')).events.map(({ resends }) => resends.count);
  await expect.poll(counts, { timeout: 10_000 }).toEqual([0, 1]);
  expect((await audit.resolve(conflict.identityKey, { resolution: 'force' })).status).toBe(200);
  expect(await audit.receipts(conflict.identityKey)).toMatchObject([{ resolution: 'force' }]);
  expect((await tenant.pull()).changes).toMatchObject([{ data: { title: 'B' } }]);
});

test('retention and the removal of a tenant work in the schema of the URL, and in no other', async () => {
  const sender = tenant.sender();
  for (const service of [ours, theirs]) {
    await service.push([putNote('n1'), removeNote('n1'), putNote('n2')], {}, sender);
  }
  const counted = async (table: string) => {
    const found = ['landfall', 'shop_sync'].map(
      (schema) => `(SELECT count(*)::int FROM ${schema}.${table}
        WHERE tenant_no = (SELECT no FROM ${schema}.tenants WHERE id = $1)) AS ${schema}`,
    );
    return (await rows(`SELECT ${found.join(', ')}`))[0];
  };
  await expect.poll(() => counted('events')).toEqual({ landfall: 3, shop_sync: 3 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  await createRetentionRunner(theirs, { tombstoneMs: 1 })();
  expect(await counted('purged_records')).toEqual({ landfall: 0, shop_sync: 1 });
  await createTenantRemoval(pool).remove(tenant.id, 10);
  expect(await counted('events')).toEqual({ landfall: 3, shop_sync: 0 });
  expect((await ours.pull({}, sender)).changes).toMatchObject([{ entityId: 'n2' }]);
});
