import { afterAll, beforeAll, expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

/** How many tenants each look asked for. */
const looks: number[] = [];
let service: TestApp;
let tenants: Tenant[];
beforeAll(async () => {
  service = await startApp({
    env: { GROUP_TENANTS: '1', COMMIT_LANES: '1' },
    wrapDatabase: (real) => ({
      ...real,
      feed: {
        ...real.feed,
        readHeads(tenantIds) {
          looks.push(new Set(tenantIds).size);
          return real.feed.readHeads(tenantIds);
        },
      },
    }),
  });
  tenants = await Promise.all(Array.from({ length: 6 }, () => createTenant(service)));
});
afterAll(() => service.close());

/** Of each transaction that wrote rows of the table: their tenants. */
async function tenantsATransaction(table: 'events' | 'resends'): Promise<(readonly number[])[]> {
  const rows = await service.sql<{ tenants: number[] }>(
    `SELECT array_agg(tenant_no) AS tenants FROM ${table} GROUP BY xmin::text`,
  );
  return rows.map((row) => row.tenants);
}

test('what several tenants send at once is committed, read and counted one tenant at a time', async () => {
  const outboxes = tenants.flatMap((tenant) =>
    [putNote('n1'), putNote('n2')].map((event) => ({ tenant, event })),
  );
  const pushAll = () => Promise.all(outboxes.map(({ tenant, event }) => tenant.push([event])));
  await pushAll();
  const pushes = await tenantsATransaction('events');
  expect(pushes.flat()).toHaveLength(outboxes.length);
  expect(pushes.map((rows) => new Set(rows).size)).toEqual(pushes.map(() => 1));

  const polls = await Promise.all(
    tenants.map(async (tenant) => ({ tenant, since: (await tenant.pull()).checkpoint })),
  );
  looks.length = 0;
  await Promise.all(polls.map(({ tenant, since }) => tenant.pull({ since })));
  expect(looks).toEqual(tenants.map(() => 1));

  await pushAll();
  const counted = async () => (await tenantsATransaction('resends')).flat().length;
  await expect.poll(counted, { timeout: 30_000 }).toBe(outboxes.length);
  const writes = await tenantsATransaction('resends');
  expect(writes.map((rows) => new Set(rows).size)).toEqual(writes.map(() => 1));
});
