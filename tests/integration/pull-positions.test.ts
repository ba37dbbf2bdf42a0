import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { putNote, removeNote } from '../testkit/events/sent-events.ts';
import { checkpointExpired, pullStatusOf } from '../testkit/app/pull-status.ts';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { cutHistory } from '../testkit/postgres/tenant-history.ts';
import { createRetentionRunner, letDaysPass } from '../testkit/app/retention.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

interface Stored {
  readonly position: number;
  readonly epoch: string;
}

const since = ({ position, epoch }: Stored) => ({ since: `${position}`, epoch });
const ids = (page: { changes: { entityId: string }[] }) =>
  page.changes.map(({ entityId }) => entityId);

const judged = (tenant: Tenant, stored: Stored) => pullStatusOf(service, tenant, since(stored));

test('the position of an empty tenant is not 0, and a pull can continue from it', async () => {
  const tenant = await createTenant(service);
  const empty = await tenant.pull();
  expect(empty.position).toBe(1);
  await tenant.push([putNote('n1')]);
  const next = await tenant.pull(since(empty));
  expect(next).toMatchObject({ changes: [{ entityId: 'n1' }], position: 2, epoch: empty.epoch });
});

test('a pull from a position has the changes since then, deletes too, or none', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), putNote('n2')]);
  const stored = await tenant.pull();
  expect(await tenant.pull(since(stored))).toMatchObject({
    changes: [],
    position: stored.position,
  });
  await tenant.push([removeNote('n1'), putNote('n3')]);
  expect((await tenant.pull(since(stored))).changes).toMatchObject([
    { entityId: 'n1', deleted: true },
    { entityId: 'n3', deleted: false },
  ]);
});

test('pages can be read by position, and a bootstrap of several pages then begins anew, with tombstones', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), putNote('n2'), putNote('n3'), removeNote('n2')]);
  const pulledIds: string[] = [];
  for (
    let page = await tenant.pull({ limit: 1 });
    ;
    page = await tenant.pull({ ...since(page), limit: 1 })
  ) {
    pulledIds.push(...ids(page));
    if (!page.hasMore) break;
  }
  // A bootstrap by checkpoint would not include the tombstone of n2, nor send n1 twice.
  expect(pulledIds).toEqual(['n1', 'n1', 'n3', 'n2']);
});

test('the answer to a position has a valid checkpoint', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1')]);
  const { checkpoint } = await tenant.pull(since(await tenant.pull()));
  await tenant.push([putNote('n2')]);
  expect(ids(await tenant.pull({ since: checkpoint }))).toEqual(['n2']);
});

test('a position can be used with a filter', async () => {
  const tenant = await createTenant(service);
  const stored = await tenant.pull({ entityTypes: 'note' });
  await tenant.push([putNote('n1')]);
  expect(ids(await tenant.pull({ ...since(stored), entityTypes: 'note' }))).toEqual(['n1']);
  expect(ids(await tenant.pull({ ...since(stored), entityTypes: 'ticket' }))).toEqual([]);
});

describe('a position has expired', () => {
  test('in another epoch', async () => {
    const tenant = await createTenant(service);
    const stored = await tenant.pull();
    await service.sql('UPDATE tenants SET epoch = gen_random_uuid() WHERE id = $1', [tenant.id]);
    expect(await judged(tenant, stored)).toBe(checkpointExpired);
  });

  test("of another tenant's history", async () => {
    const [mine, theirs] = [await createTenant(service), await createTenant(service)];
    expect(await judged(mine, await theirs.pull())).toBe(checkpointExpired);
  });

  test('ahead of the head, after a restore', async () => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1'), putNote('n2')]);
    const stored = await tenant.pull();
    await cutHistory(service.sql, tenant.id, 1);
    expect(await judged(tenant, stored)).toBe(checkpointExpired);
    expect(await judged(tenant, { ...stored, position: stored.position - 1 })).toBe('good');
  });

  test('of a page in the middle of a bootstrap, where tombstones were purged', async () => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1'), putNote('n2'), putNote('n3'), removeNote('n3')]);
    await letDaysPass(tenant, 91);
    await createRetentionRunner(service)();
    const first = await tenant.pull({ limit: 1 });
    expect(await judged(tenant, first)).toBe(checkpointExpired);
    // Its checkpoint goes on.
    expect(ids(await tenant.pull({ since: first.checkpoint }))).toEqual(['n2']);
  });

  test('before a purged tombstone', async () => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1'), putNote('n2')]);
    const stored = await tenant.pull();
    await tenant.push([removeNote('n1')]);
    await letDaysPass(tenant, 91);
    await createRetentionRunner(service)();
    expect(await judged(tenant, stored)).toBe(checkpointExpired);
    expect(await judged(tenant, { ...stored, position: stored.position + 1 })).toBe('good');
  });
});

test.each([
  ['an epoch without a position', 'epoch=5d3b4d0a-5d3b-4d0a-8d3b-4d0a5d3b4d0a'],
  ['an invalid epoch', 'since=1&epoch=now'],
  ['an empty epoch', 'since=1&epoch='],
])('a query with %s is invalid', async (_what, query) => {
  const answer = await service.request({ url: `/api/sync/changes?${query}` });
  expect(expectProblem(answer)).toMatchObject({
    status: 400,
    code: 'INVALID_QUERY',
    path: 'epoch',
  });
});
