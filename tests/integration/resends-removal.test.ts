import type { PoolClient } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ResendCount } from '../../src/audit/audit-store.ts';
import { createPool, type SchemaPool } from '../../src/postgres/client/pool.ts';
import type { OfTenant } from '../../src/postgres/client/row-set.ts';
import { deleteTenantRows } from '../../src/postgres/tenants/tenant-removal.sql.ts';
import { tenantTables } from '../../src/postgres/tenants/tenant-tables.ts';
import {
  operatorScope,
  tenantScope,
  runInTransaction,
} from '../../src/postgres/client/transaction.sql.ts';
import { upsertResends } from '../../src/postgres/audit/upsert-resends.sql.ts';
import { createTenantRemoval, type RowCounts } from '../../src/postgres/tenants/tenant-removal.ts';
import { auditOf } from '../testkit/app/audit.ts';
import { noteKinds } from '../testkit/kinds/storeroom-kinds.ts';
import { putNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { ofTenant } from '../testkit/postgres/tenant-history.ts';

let service: TestApp;
let pool: SchemaPool;
let counting: PoolClient;
let removing: PoolClient;
beforeAll(async () => {
  service = await startApp({ kinds: noteKinds });
});
afterAll(() => service.close());
beforeEach(async () => {
  const connectionString = service.database.url;
  pool = createPool({ connectionString, max: 3, onIdleError: () => {} });
  [counting, removing] = await Promise.all([pool.connect(), pool.connect()]);
});
afterEach(async () => {
  for (const client of [counting, removing]) client.release();
  await pool.end();
});

/** Counts as the service does, and does something else before it commits. */
const count = (counted: OfTenant<ResendCount>, beforeCommit?: () => Promise<void>) =>
  runInTransaction(counting, tenantScope([counted.tenantNo]), pool, async () => {
    await upsertResends(counting, [counted], pool.form);
    await beforeCommit?.();
  });

async function numberOf({ id }: Tenant): Promise<number> {
  const [row] = await service.sql<{ no: number }>('SELECT no FROM tenants WHERE id = $1', [id]);
  if (!row) throw new Error('there is no such tenant');
  return row.no;
}

/** One resend of an event, so many microseconds after the event was received. */
async function resend(tenant: Tenant, version: number, after = 0): Promise<OfTenant<ResendCount>> {
  const receivedAt = (await tenant.log())[version - 1]?.receivedAt ?? Number.NaN;
  const row = { tenantId: tenant.id, version, count: 1, lastAt: receivedAt + after };
  return { tenantNo: await numberOf(tenant), row };
}

const resendsOf = ({ id }: Tenant) =>
  service.sql<{ count: string; at: number }>(
    `SELECT count, (extract(epoch FROM last_at) * 1000000)::float8 AS at
       FROM resends WHERE ${ofTenant} ORDER BY version`,
    [id],
  );

/** Waits until the work is done, or stands before a lock that somebody else has. */
async function doneOrBlocked(work: Promise<unknown>): Promise<void> {
  let done = false;
  const ended = () => {
    done = true;
  };
  work.then(ended, ended);
  const isSettled = async () => {
    const waiting = await service.sql(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return done || waiting.length > 0;
  };
  await expect.poll(isSettled, { timeout: 30_000 }).toBe(true);
}

test('what was sent again before a tenant was removed is not counted for what it pushed afterwards', async () => {
  const stopping = await startApp({ kinds: noteKinds, database: service.database });
  const tenant = await createTenant(service);
  const event = putNote('n1');
  await stopping.push([event], {}, tenant.sender());
  await stopping.push([event, event], {}, tenant.sender());
  await createTenantRemoval(pool).remove(tenant.id, 500);
  await tenant.push([putNote('n1', { title: 'of the next life' })]);
  await stopping.close();
  expect((await auditOf(tenant).history('note', 'n1')).events).toMatchObject([
    { version: 1, payload: { title: 'of the next life' }, resends: { count: 0, lastAt: null } },
  ]);
});

test('an event that is sent twice in one request counts, although it is received when it is sent again', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1')]);
  await count(await resend(tenant, 1, 0));
  await count(await resend(tenant, 1, -1));
  expect(await resendsOf(tenant)).toMatchObject([{ count: '1' }]);
});

test('the last time does not go back where an earlier count is written later', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1')]);
  const [earlier, later] = [await resend(tenant, 1, 1), await resend(tenant, 1, 2)];
  for (const counted of [later, earlier]) await count(counted);
  expect(await resendsOf(tenant)).toEqual([{ count: '2', at: later.row.lastAt }]);
  const latest = await resend(tenant, 1, 3);
  await count(latest);
  expect(await resendsOf(tenant)).toEqual([{ count: '3', at: latest.row.lastAt }]);
});

test.each([...tenantTables.keys()])(
  'a count that is written while a tenant is removed, behind table %i, leaves no orphan',
  async (behind) => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1')]);
    const counted = await resend(tenant, 1);
    const { tenantNo } = counted;
    let counts: Promise<void> | undefined;
    await runInTransaction(removing, operatorScope, pool, async () => {
      for (const [at, table] of tenantTables.entries()) {
        await deleteTenantRows(removing, table, { tenantNo, batchRows: 10 });
        if (at !== behind) continue;
        counts = count(counted);
        await doneOrBlocked(counts);
      }
    });
    await counts;
    expect(await resendsOf(tenant)).toEqual([]);
  },
);

test('a removal waits for a count that is being written, and removes it', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1')]);
  const removal = Promise.withResolvers<RowCounts | undefined>();
  await count(await resend(tenant, 1), async () => {
    createTenantRemoval(pool).remove(tenant.id, 10).then(removal.resolve, removal.reject);
    await doneOrBlocked(removal.promise);
  });
  expect((await removal.promise)?.get('resends')).toBe(1);
  expect(await resendsOf(tenant)).toEqual([]);
});
