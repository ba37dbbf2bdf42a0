import { afterAll, beforeAll, expect, test } from 'vitest';
import { accountKinds, openAccount, makeTransfer } from '../../testkit/kinds/account-kinds.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';
import { ofTenant } from '../../testkit/postgres/tenant-history.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: accountKinds });
});
afterAll(() => service.close());

async function openBank(): Promise<Tenant> {
  const tenant = await createTenant(service);
  await tenant.push([openAccount('a', 100), openAccount('b', 0)]);
  return tenant;
}

async function balancesOf(tenant: Tenant): Promise<unknown[]> {
  const records = await tenant.records();
  return ['a', 'b'].map((id) => records.get(id)?.data?.balance);
}

test('an accepted event writes all its records under one version, its own among them', async () => {
  const tenant = await openBank();
  const event = makeTransfer('a', 'b', 30);
  const { results } = await tenant.push([event], {}, 'phone');
  expect(results).toMatchObject([{ status: 'applied', version: 3 }]);
  const records = [...(await tenant.records()).values()];
  expect(records).toHaveLength(3);
  const origin = { identityKey: event.identityKey, kind: 'transfer.make', deviceId: 'phone' };
  expect(records).toMatchObject([
    { entityId: 'a', version: 3, data: { balance: 70 }, origin },
    { entityId: 'b', version: 3, data: { balance: 30 }, origin },
    { entityType: 'transfer', version: 3, data: { from: 'a', to: 'b', amount: 30 }, origin },
  ]);
  expect(await tenant.head()).toBe(3);
});

test.each([1, 2, 3, 4])(
  'what one event wrote is on one page, and never split, with a limit of %i',
  async (limit) => {
    const tenant = await openBank();
    await tenant.push([
      makeTransfer('a', 'b', 30),
      openAccount('c', 0),
      makeTransfer('a', 'c', 20),
    ]);
    const pages: number[][] = [];
    for (let since = tenant.start, more = true; more; ) {
      const page = await tenant.pull({ since, limit });
      pages.push(page.changes.map(({ version }) => version));
      ({ checkpoint: since, hasMore: more } = page);
    }
    // Account b and the first transfer are of version 3; a, c and the second transfer of version 5.
    expect(pages.flat()).toEqual([3, 3, 5, 5, 5]);
    for (const version of [3, 5]) {
      expect(pages.filter((versions) => versions.includes(version))).toHaveLength(1);
    }
  },
);

test('a pull since the answer to a push shows all records that its events wrote', async () => {
  const tenant = await openBank();
  const { checkpoint } = await tenant.push([makeTransfer('a', 'b', 30)]);
  const { changes } = await tenant.pull({ since: checkpoint });
  expect(changes.map(({ entityType }) => entityType)).toEqual(['account', 'account', 'transfer']);
});

test('each event of a batch is decided on what the ones before it left', async () => {
  const tenant = await openBank();
  const said = await tenant.pushStatuses([
    makeTransfer('b', 'a', 50),
    makeTransfer('a', 'b', 60),
    makeTransfer('a', 'b', 60),
    makeTransfer('b', 'a', 50),
  ]);
  expect(said).toEqual(['INSUFFICIENT_FUNDS', 'applied', 'INSUFFICIENT_FUNDS', 'applied']);
  expect(await balancesOf(tenant)).toEqual([90, 10]);
});

test('order of arrival counts, not when it happened', async () => {
  const tenant = await openBank();
  const late = makeTransfer('a', 'b', 70, { occurredAt: '2026-02-01T00:00:00Z' });
  const early = makeTransfer('a', 'b', 60, { occurredAt: '2026-01-01T00:00:00Z' });
  expect(await tenant.pushStatuses([late])).toEqual(['applied']);
  expect(await tenant.pushStatuses([early])).toEqual(['INSUFFICIENT_FUNDS']);
  expect(await balancesOf(tenant)).toEqual([30, 70]);
});

test('what was decided stands against writes that happened before it and arrive after it', async () => {
  const tenant = await openBank();
  await tenant.push([makeTransfer('a', 'b', 30, { occurredAt: '2026-01-01T00:00:00Z' })]);
  const late = { ...openAccount('a', 5), occurredAt: '2026-02-01T00:00:00Z' };
  expect(await tenant.pushStatuses([late])).toEqual(['superseded']);
  expect(await balancesOf(tenant)).toEqual([70, 30]);
});

test('a duplicate decides nothing, and is answered as it was the first time', async () => {
  const tenant = await openBank();
  const event = makeTransfer('a', 'b', 60);
  expect(await tenant.pushStatuses([event, event])).toEqual(['applied', 'duplicate of applied']);
  expect(await tenant.pushStatuses([event])).toEqual(['duplicate of applied']);
  expect(await balancesOf(tenant)).toEqual([40, 60]);
  expect(await tenant.head()).toBe(3);
});

test('a rejection says its code, why, where and when to try again, and nothing is stored', async () => {
  const tenant = await openBank();
  const event = makeTransfer('a', 'b', 101);
  const { processed, failed } = await tenant.push([event]);
  expect(processed).toEqual([]);
  expect(failed).toEqual([
    {
      identityKey: event.identityKey,
      code: 'INSUFFICIENT_FUNDS',
      message: 'holds 100',
      retryable: true,
      retryAfterMs: 30_000,
      path: 'payload.amount',
    },
  ]);
  expect(await tenant.head()).toBe(2);
  expect(await balancesOf(tenant)).toEqual([100, 0]);
});

test('a rejection may be for good', async () => {
  const tenant = await openBank();
  const { failed } = await tenant.push([makeTransfer('a', 'a', 1)]);
  expect(failed).toMatchObject([{ code: 'SAME_ACCOUNT', retryable: false, path: 'payload.to' }]);
  expect(failed[0]).not.toHaveProperty('retryAfterMs');
});

test('what was rejected is decided anew when it is sent again', async () => {
  const tenant = await openBank();
  const event = makeTransfer('b', 'a', 10);
  expect(await tenant.pushStatuses([event])).toEqual(['INSUFFICIENT_FUNDS']);
  expect(await tenant.pushStatuses([makeTransfer('a', 'b', 30), event])).toEqual([
    'applied',
    'applied',
  ]);
  expect(await balancesOf(tenant)).toEqual([80, 20]);
});

test('what is rejected for now blocks what follows of the same entity, and of no other', async () => {
  const tenant = await openBank();
  const first = makeTransfer('b', 'a', 10);
  const same = { ...makeTransfer('a', 'b', 10), payload: { ...first.payload, from: 'a', to: 'b' } };
  const { failed, processed } = await tenant.push([first, same, makeTransfer('a', 'b', 5)]);
  expect(failed).toMatchObject([
    { code: 'INSUFFICIENT_FUNDS' },
    { identityKey: same.identityKey, code: 'BLOCKED', retryable: true },
  ]);
  expect(processed).toHaveLength(1);
});

test('what is rejected for good blocks nothing', async () => {
  const tenant = await openBank();
  const first = makeTransfer('a', 'a', 10);
  const same = { ...makeTransfer('a', 'b', 10), payload: { ...first.payload, to: 'b' } };
  expect(await tenant.pushStatuses([first, same])).toEqual(['SAME_ACCOUNT', 'applied']);
});

test('an account that nobody opened may still be on its way', async () => {
  const tenant = await openBank();
  const { failed } = await tenant.push([makeTransfer('a', 'nowhere', 1)]);
  expect(failed).toMatchObject([{ code: 'NOT_FOUND', retryable: true, retryAfterMs: 30_000 }]);
});

test('an atomic batch with a rejection stores nothing', async () => {
  const tenant = await openBank();
  const events = [
    makeTransfer('a', 'b', 60),
    makeTransfer('a', 'b', 60),
    makeTransfer('b', 'a', 1),
  ];
  expect(await tenant.pushStatuses(events, { atomic: true })).toEqual([
    'BATCH_ABORTED',
    'INSUFFICIENT_FUNDS',
    'BATCH_ABORTED',
  ]);
  expect(await balancesOf(tenant)).toEqual([100, 0]);
  expect(await tenant.head()).toBe(2);
});

test('an event may be made on the version of its own record, and is a conflict where that changed', async () => {
  const tenant = await openBank();
  const first = makeTransfer('a', 'b', 10);
  await tenant.push([first]);
  const payload = { ...first.payload, amount: 20 };
  const stale = { ...makeTransfer('a', 'b', 20), payload, baseVersion: 0 };
  const { failed } = await tenant.push([stale]);
  expect(failed).toMatchObject([
    { code: 'CONFLICT', current: { version: 3, data: { amount: 10 } } },
  ]);
  expect(await balancesOf(tenant)).toEqual([90, 10]);
});

test("the records that an event wrote beside its own are noted with their versions' steps", async () => {
  const tenant = await openBank();
  await tenant.push([makeTransfer('a', 'b', 10)]);
  const effects = await service.sql(
    `SELECT entity_id AS id, version::int, record_before::int AS before, record_after::int AS after
       FROM effects WHERE ${ofTenant} ORDER BY entity_id`,
    [tenant.id],
  );
  expect(effects).toEqual([
    { id: 'a', version: 3, before: 1, after: 3 },
    { id: 'b', version: 3, before: 2, after: 3 },
  ]);
});

test("another tenant's records are not there", async () => {
  await openBank();
  const stranger = await createTenant(service);
  expect(await stranger.pushStatuses([makeTransfer('a', 'b', 10)])).toEqual(['NOT_FOUND']);
});
