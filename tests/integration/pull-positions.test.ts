import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { put, remove } from '../testkit/oracle/events.ts';
import { expired, judgePull } from '../testkit/oracle/judge-pull.ts';
import { refusalOf } from '../testkit/oracle/refusal.ts';
import { createTenant, type Tenant } from '../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../testkit/app.ts';
import { createCleaner, letDaysPass } from '../testkit/retention.ts';

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

const judged = (tenant: Tenant, stored: Stored) => judgePull(service, tenant, since(stored));

test('the position of an empty tenant is not 0, and a pull goes on from it', async () => {
  const tenant = await createTenant(service);
  const empty = await tenant.pull();
  expect(empty.position).toBe(1);
  await tenant.push([put('n1')]);
  const next = await tenant.pull(since(empty));
  expect(next).toMatchObject({ changes: [{ entityId: 'n1' }], position: 2, epoch: empty.epoch });
});

test('a position shows what came since, deletes too, and nothing where nothing came', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), put('n2')]);
  const stored = await tenant.pull();
  expect(await tenant.pull(since(stored))).toMatchObject({
    changes: [],
    position: stored.position,
  });
  await tenant.push([remove('n1'), put('n3')]);
  expect((await tenant.pull(since(stored))).changes).toMatchObject([
    { entityId: 'n1', deleted: true },
    { entityId: 'n3', deleted: false },
  ]);
});

test('pages go on by position, also in the middle of a bootstrap', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), put('n2'), put('n3'), remove('n2')]);
  const found: string[] = [];
  for (
    let page = await tenant.pull({ limit: 1 });
    ;
    page = await tenant.pull({ ...since(page), limit: 1 })
  ) {
    found.push(...ids(page));
    if (!page.hasMore) break;
  }
  // The tombstone is one that a bootstrap would leave out.
  expect(found).toEqual(['n1', 'n3', 'n2']);
});

test('what a position is answered has a checkpoint, which is as good as any', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1')]);
  const { checkpoint } = await tenant.pull(since(await tenant.pull()));
  await tenant.push([put('n2')]);
  expect(ids(await tenant.pull({ since: checkpoint }))).toEqual(['n2']);
});

test('a filter may stand beside a position', async () => {
  const tenant = await createTenant(service);
  const stored = await tenant.pull({ entityTypes: 'note' });
  await tenant.push([put('n1')]);
  expect(ids(await tenant.pull({ ...since(stored), entityTypes: 'note' }))).toEqual(['n1']);
  expect(ids(await tenant.pull({ ...since(stored), entityTypes: 'ticket' }))).toEqual([]);
});

describe('a position has expired', () => {
  test('in another epoch', async () => {
    const tenant = await createTenant(service);
    const stored = await tenant.pull();
    await service.sql('UPDATE tenants SET epoch = gen_random_uuid() WHERE id = $1', [tenant.id]);
    expect(await judged(tenant, stored)).toBe(expired);
  });

  test("of another tenant's history", async () => {
    const [mine, theirs] = [await createTenant(service), await createTenant(service)];
    expect(await judged(mine, await theirs.pull())).toBe(expired);
  });

  test('ahead of the head, which a restore set back', async () => {
    const tenant = await createTenant(service);
    await tenant.push([put('n1'), put('n2')]);
    const stored = await tenant.pull();
    await service.sql('DELETE FROM events WHERE tenant_id = $1 AND version > 1', [tenant.id]);
    await service.sql('DELETE FROM records WHERE tenant_id = $1 AND version > 1', [tenant.id]);
    await service.sql('UPDATE tenants SET head = 1 WHERE id = $1', [tenant.id]);
    expect(await judged(tenant, stored)).toBe(expired);
    expect(await judged(tenant, { ...stored, position: stored.position - 1 })).toBe('good');
  });

  test('before a tombstone that was purged', async () => {
    const tenant = await createTenant(service);
    await tenant.push([put('n1'), put('n2')]);
    const stored = await tenant.pull();
    await tenant.push([remove('n1')]);
    await letDaysPass(tenant, 91);
    await createCleaner(service)();
    expect(await judged(tenant, stored)).toBe(expired);
    expect(await judged(tenant, { ...stored, position: stored.position + 1 })).toBe('good');
  });
});

test.each([
  ['an epoch without a position', 'epoch=5d3b4d0a-5d3b-4d0a-8d3b-4d0a5d3b4d0a'],
  ['an epoch that is none', 'since=1&epoch=now'],
  ['an empty epoch', 'since=1&epoch='],
])('an invalid query is %s', async (_what, query) => {
  const answer = await service.request({ url: `/api/sync/changes?${query}` });
  expect(refusalOf(answer)).toMatchObject({ status: 400, code: 'INVALID_QUERY', path: 'epoch' });
});
