import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { documentKinds } from '../testkit/kinds/document-kinds.ts';
import { nextKey, patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, ...documentKinds('doc')] });
});
afterAll(() => service.close());

const ids = (page: { changes: readonly { entityId: string }[] }) =>
  page.changes.map(({ entityId }) => entityId);
const doc = (id: string, fields: object = {}) => ({
  identityKey: nextKey(),
  kind: 'doc.put',
  payload: { id, fields },
});

test('a change has the current record and its origin', async () => {
  const tenant = await createTenant(service);
  const created = await tenant.push([putNote('n1', { title: 'A', body: 'B' })], {}, 'phone');
  const edit = patchNote('n1', { title: 'C' }, { occurredAt: '2020-01-01T00:00:00Z' });
  const late = patchNote('n1', { body: 'D' });
  await tenant.push([edit], {}, 'tablet');
  const { receivedAt } = await tenant.push([late], {}, 'laptop');
  const { changes, serverTime } = await tenant.pull();
  expect(changes).toEqual([
    {
      entityType: 'note',
      entityId: 'n1',
      version: 3,
      deleted: false,
      data: { title: 'A', body: 'D' },
      createdAt: created.receivedAt,
      updatedAt: receivedAt,
      origin: {
        identityKey: late.identityKey,
        kind: 'note.patch',
        deviceId: 'laptop',
        effectiveAt: receivedAt,
      },
    },
  ]);
  expect(Date.parse(serverTime)).toBeGreaterThanOrEqual(Date.parse(receivedAt));
});

test('an empty tenant answers an empty page with a checkpoint that stays valid', async () => {
  const tenant = await createTenant(service);
  const empty = await tenant.pull();
  expect(empty).toMatchObject({ changes: [], position: 1, hasMore: false });
  await tenant.push([putNote('n1'), removeNote('n1'), putNote('n2')]);
  const next = await tenant.pull({ since: empty.checkpoint });
  expect(next.changes).toMatchObject([
    { entityId: 'n1', deleted: true },
    { entityId: 'n2', deleted: false },
  ]);
});

test('a bootstrap has only live records, in the order of their types and ids', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), putNote('n2'), putNote('n3'), putNote('n4')]);
  await tenant.push([removeNote('n2'), removeNote('never-seen'), putNote('n1', { title: 'B' })]);
  // PostgreSQL compares bytes, whatever the language of the database is.
  await tenant.push([doc('é'), doc('z'), doc('Z'), doc('10'), doc('2')]);
  const page = await tenant.pull();
  expect(page.changes.map(({ entityId, version }) => [entityId, version])).toEqual([
    ...[
      ['10', 11],
      ['2', 12],
      ['Z', 10],
      ['z', 9],
      ['é', 8],
    ],
    ['n1', 7],
    ['n3', 3],
    ['n4', 4],
  ]);
  expect(page.hasMore).toBe(false);
});

test('a bootstrap includes the tombstones that were made during it', async () => {
  const tenant = await createTenant(service);
  await tenant.push([
    putNote('n1', { title: 'A' }),
    putNote('n2'),
    putNote('n3'),
    putNote('old'),
    removeNote('old'),
  ]);
  const first = await tenant.pull({ limit: 1 });
  expect(ids(first)).toEqual(['n1']);
  await tenant.push([removeNote('n1'), removeNote('n3'), putNote('n4'), removeNote('n4')]);
  const [rest, changes, ...more] = await pagesOf(tenant, 500, first.checkpoint);
  expect(rest?.changes).toMatchObject([{ entityId: 'n2', deleted: false }]);
  expect(changes?.changes.map(({ entityId, deleted }) => [entityId, deleted])).toEqual([
    ['n1', true],
    ['n3', true],
    ['n4', true],
  ]);
  expect(changes?.changes[0]?.data).toEqual({ title: 'A', body: '' });
  expect(more).toEqual([]);
});

test('a later pull has the tombstones since the bootstrap, with their last data', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A', body: 'B' }), putNote('old'), removeNote('old')]);
  const { checkpoint } = await tenant.pull();
  await tenant.push([removeNote('n1'), removeNote('never-seen')]);
  const { changes } = await tenant.pull({ since: checkpoint });
  expect(changes).toMatchObject([
    { entityId: 'n1', deleted: true, data: { title: 'A', body: 'B' } },
    { entityId: 'never-seen', deleted: true, data: null },
  ]);
});

test('a deleted record that is put again is a live record', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), removeNote('n1')]);
  const { checkpoint } = await tenant.pull();
  await tenant.push([putNote('n1', { title: 'back' })]);
  expect((await tenant.pull({ since: checkpoint })).changes).toMatchObject([
    { entityId: 'n1', deleted: false, data: { title: 'back' } },
  ]);
});

test('with every limit, pages are full while there is more, and have the same records in total', async () => {
  const tenant = await createTenant(service);
  const all = Array.from({ length: 12 }, (_, at) => `n${at}`);
  await tenant.push(all.map((id) => putNote(id)));
  // There are tombstones between the live records, which a page must skip.
  await tenant.push(all.filter((_id, at) => at % 3 === 1).map((id) => removeNote(id)));
  const live = all.filter((_id, at) => at % 3 !== 1).toSorted();
  for (let limit = 1; limit <= live.length + 1; limit += 1) {
    const pages = await pagesOf(tenant, limit);
    expect(pages.flatMap(ids)).toEqual(live);
    expect(pages.map(({ changes }) => changes.length)).toEqual(chunks(live.length, limit));
    expect(pages.map(({ hasMore }) => hasMore)).toEqual(
      pages.map((_p, at) => at < pages.length - 1),
    );
  }
});

test('with every limit, the changes since a checkpoint are the same', async () => {
  const tenant = await createTenant(service);
  const all = Array.from({ length: 9 }, (_, at) => `n${at}`);
  await tenant.push([
    ...all.map((id) => putNote(id)),
    removeNote('n2'),
    removeNote('n7'),
    putNote('n0', { title: 'B' }),
  ]);
  const whole = await tenant.pull({ since: tenant.start });
  expect(ids(whole)).toEqual(['n1', 'n3', 'n4', 'n5', 'n6', 'n8', 'n2', 'n7', 'n0']);
  for (let limit = 1; limit <= 10; limit += 1) {
    const pages = await pagesOf(tenant, limit, tenant.start);
    expect(pages.flatMap(({ changes }) => changes)).toEqual(whole.changes);
    expect(pages.map(({ changes }) => changes.length)).toEqual(chunks(9, limit));
  }
});

async function pagesOf(tenant: Tenant, limit: number, start?: string) {
  const pages = [await tenant.pull({ limit, ...(start !== undefined && { since: start }) })];
  for (let last = pages[0]; last?.hasMore; last = pages.at(-1)) {
    pages.push(await tenant.pull({ limit, since: last.checkpoint }));
  }
  return pages;
}

function chunks(total: number, size: number): number[] {
  return Array.from({ length: Math.ceil(total / size) }, (_, at) =>
    Math.min(size, total - at * size),
  );
}

test('the maximum limit is 1000, and the default limit is 500', async () => {
  const tenant = await createTenant(service);
  for (const half of [0, 1]) {
    await tenant.push(Array.from({ length: 400 }, (_, at) => putNote(`n${half}-${at}`)));
  }
  expect((await tenant.pull({ limit: 1000 })).changes).toHaveLength(800);
  const first = await tenant.pull();
  expect(first.changes).toHaveLength(500);
  expect(first.hasMore).toBe(true);
});

test('a record that changes between two pages is sent in its newest state', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), putNote('n2'), putNote('n3')]);
  const puller = tenant.device('puller');
  await puller.page(1);
  await tenant.push([putNote('n2', { title: 'B' }), putNote('n1', { title: 'C' })]);
  await puller.catchUp(1);
  expect(puller.table.size).toBe(3);
  await expectNothingLost({ ...tenant.checkOptions, devices: [puller] });
});

test('the position is the last version of the page plus one, the head plus one on the last page, and 1 within a bootstrap', async () => {
  const tenant = await createTenant(service);
  await tenant.push([
    putNote('n1', { title: 'A' }),
    putNote('n2'),
    putNote('n1', { title: 'A' }),
    putNote('n3'),
  ]);
  for (const [start, positions] of [
    [tenant.start, [2, 3, 5]],
    [undefined, [1, 1, 5]],
  ] as const) {
    const pages = await pagesOf(tenant, 1, start);
    expect(pages.map(({ position }) => position)).toEqual(positions);
  }
  const last = await tenant.pull();
  expect(last).toMatchObject({ position: 5, hasMore: false });
  expect(await tenant.pull({ since: last.checkpoint })).toMatchObject({
    changes: [],
    position: 5,
  });
});

test("a client's pull has its own changes too", async () => {
  const tenant = await createTenant(service);
  const { checkpoint } = await tenant.pull();
  const event = putNote('n1', { title: 'mine' });
  await tenant.push([event]);
  expect((await tenant.pull({ since: checkpoint })).changes).toMatchObject([
    { entityId: 'n1', origin: { identityKey: event.identityKey } },
  ]);
});

test('events that changed no record are not sent again', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' })]);
  const { checkpoint } = await tenant.pull();
  await tenant.push([
    putNote('n1', { title: 'late' }, { occurredAt: '2020-01-01T00:00:00Z' }),
    putNote('n1', { title: 'stale' }, { baseVersion: 0 }),
    putNote('n1', { title: 'A' }),
  ]);
  expect(await tenant.head()).toBe(4);
  expect((await tenant.pull({ since: checkpoint })).changes).toEqual([]);
});

test('a pull has no records of other tenants', async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  await theirs.push([putNote('n1', { title: 'theirs' }), putNote('n2')]);
  await mine.push([putNote('n1', { title: 'mine' })]);
  const page = await mine.pull();
  expect(page.changes).toMatchObject([{ entityId: 'n1', version: 1, data: { title: 'mine' } }]);
  expect(page.position).toBe(2);
});

test('a pull with a filter has only these entity types, and skips others between them', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), doc('d1'), doc('d2'), putNote('n2'), doc('d3'), putNote('n3')]);
  const first = await tenant.pull({ entityTypes: 'note', limit: 2 });
  expect(ids(first)).toEqual(['n1', 'n2']);
  expect(first.hasMore).toBe(true);
  const second = await tenant.pull({ entityTypes: 'note', limit: 2, since: first.checkpoint });
  expect(ids(second)).toEqual(['n3']);
  expect(second.hasMore).toBe(false);
  expect(ids(await tenant.pull({ entityTypes: 'doc' }))).toEqual(['d1', 'd2', 'd3']);
  expect(ids(await tenant.pull({ entityTypes: 'doc,note' }))).toHaveLength(6);
});

test('a pull with a filter has no more when only other types are left', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), doc('d1'), doc('d2')]);
  const page = await tenant.pull({ entityTypes: 'note', limit: 1 });
  expect(ids(page)).toEqual(['n1']);
  expect(page.hasMore).toBe(false);
  await tenant.push([doc('d3'), putNote('n2')]);
  const next = await tenant.pull({ entityTypes: 'note', since: page.checkpoint });
  expect(ids(next)).toEqual(['n2']);
});

test('two entities of different types with the same id are both sent', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('same'), doc('same', { a: 1 })]);
  const { changes } = await tenant.pull();
  expect(changes.map(({ entityType }) => entityType)).toEqual(['doc', 'note']);
});
