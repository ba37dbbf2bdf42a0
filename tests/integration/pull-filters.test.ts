import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundledKinds } from '../../src/systems/bundled.ts';
import type { SyncRecord } from '../../src/protocol/record.ts';
import { documentKinds } from '../testkit/kinds/document-kinds.ts';
import { nextKey, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { checkpointExpired, pullStatusOf } from '../testkit/app/pull-status.ts';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import { listenOnFreePort } from '../testkit/app/listening-app.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { createRetentionRunner } from '../testkit/app/retention.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({
    kinds: [...bundledKinds, ...documentKinds('doc'), ...documentKinds('user')],
  });
});
afterAll(() => service.close());

const write = (kind: string) => (id: string) => ({
  ...{ identityKey: nextKey(), kind },
  payload: { id, ...(kind.endsWith('put') && { fields: {} }) },
});
const doc = write('doc.put');
const user = write('user.put');
const removeDoc = write('doc.remove');
const ids = (page: { changes: { entityId: string }[] }) =>
  page.changes.map(({ entityId }) => entityId);

/** The changes of all pages, in their order. */
async function changesOfPages(tenant: Tenant, query: { since: string; entityTypes: string }) {
  const changes: SyncRecord[] = [];
  for (let { since } = query, more = true; more; ) {
    const page = await tenant.pull({ ...query, since });
    changes.push(...page.changes);
    ({ checkpoint: since, hasMore: more } = page);
  }
  return changes;
}

const judged = (tenant: Tenant, since: string, entityTypes?: string) =>
  pullStatusOf(service, tenant, { since, ...(entityTypes && { entityTypes }) });

describe('a filter that grows', () => {
  test('bootstraps the new types, and sends no record again that the client has', async () => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1'), doc('d1'), putNote('n2'), doc('gone'), removeDoc('gone')]);
    const { checkpoint } = await tenant.pull({ entityTypes: 'note' });
    const grown = await tenant.pull({ since: checkpoint, entityTypes: 'note,doc' });
    expect(ids(grown)).toEqual(['d1']);
    await tenant.push([putNote('n3'), doc('d2')]);
    const next = await tenant.pull({ since: grown.checkpoint, entityTypes: 'doc,note' });
    expect(ids(next)).toEqual(['n3', 'd2']);
  });

  test('sends the changes of the kept types too, with tombstones', async () => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1'), doc('d1'), putNote('n2')]);
    const { checkpoint } = await tenant.pull({ entityTypes: 'note' });
    await tenant.push([removeNote('n1'), putNote('n3')]);
    const grown = await changesOfPages(tenant, { since: checkpoint, entityTypes: 'note,doc' });
    expect(grown).toMatchObject([
      { entityId: 'd1' },
      { entityId: 'n1', deleted: true },
      { entityId: 'n3' },
    ]);
  });

  test('to all types does the same', async () => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1'), doc('d1')]);
    const { checkpoint } = await tenant.pull({ entityTypes: 'note' });
    const all = await tenant.pull({ since: checkpoint });
    expect(ids(all)).toEqual(['d1']);
    expect((await tenant.pull({ since: all.checkpoint })).checkpoint).toBe(all.checkpoint);
  });

  test.each([1, 2, 3, 100])('is answered page by page, with a limit of %i', async (limit) => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1'), doc('d1'), doc('d2'), putNote('n2'), doc('d3')]);
    const { checkpoint } = await tenant.pull({ entityTypes: 'note' });
    await tenant.push([putNote('n1', { title: 'new' }), doc('d1'), putNote('n4'), removeDoc('d2')]);
    const pulledIds: string[] = [];
    for (let since = checkpoint, more = true; more; ) {
      const page = await tenant.pull({ since, limit, entityTypes: 'doc,note' });
      pulledIds.push(...page.changes.map(({ entityId, deleted }) => `${entityId} ${deleted}`));
      ({ checkpoint: since, hasMore: more } = page);
    }
    expect(pulledIds).toEqual(['d1 false', 'd3 false', 'n1 false', 'n4 false']);
  });

  test('by a type without records keeps the checkpoint at the head', async () => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1')]);
    const { checkpoint } = await tenant.pull({ entityTypes: 'note' });
    const grown = await tenant.pull({ since: checkpoint, entityTypes: 'note,unheard-of' });
    expect(grown).toMatchObject({ changes: [], hasMore: false });
    const again = await tenant.pull({ since: grown.checkpoint, entityTypes: 'note,unheard-of' });
    expect(again.checkpoint).toBe(grown.checkpoint);
  });

  test('during an unfinished bootstrap misses no delete', async () => {
    const tenant = await createTenant(service);
    await tenant.push([doc('d1'), doc('d2'), putNote('n1')]);
    const first = await tenant.pull({ entityTypes: 'doc', limit: 1 });
    expect(ids(first)).toEqual(['d1']);
    await tenant.push([removeDoc('d1')]);
    const query = { since: first.checkpoint, entityTypes: 'doc,note' };
    expect(await changesOfPages(tenant, query)).toMatchObject([
      { entityId: 'd2' },
      { entityId: 'n1' },
      { entityId: 'd1', deleted: true },
    ]);
  });
});

test('a filter that loses a type continues at its checkpoint', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), doc('d1')]);
  const all = await tenant.pull();
  await tenant.push([putNote('n2'), doc('d2')]);
  const notes = await tenant.pull({ since: all.checkpoint, entityTypes: 'note' });
  expect(ids(notes)).toEqual(['n2']);
  const { checkpoint } = await tenant.pull({ since: all.checkpoint, entityTypes: 'note,doc' });
  expect(ids(await tenant.pull({ since: checkpoint, entityTypes: 'doc' }))).toEqual([]);
});

test('the checkpoint of a push can be used with any filter', async () => {
  const tenant = await createTenant(service);
  const { checkpoint } = await tenant.push([putNote('n1'), doc('d1')]);
  expect(ids(await tenant.pull({ since: checkpoint, entityTypes: 'doc' }))).toEqual(['d1']);
});

/** Purges every tombstone. */
async function purge() {
  await sleep(5);
  expect((await createRetentionRunner(service, { tombstoneMs: 1 })()).tombstones).toBeGreaterThan(
    0,
  );
}

describe('after tombstones of one type were purged,', () => {
  /** Deletes and purges a doc after a pull with each filter. `before` has their checkpoints. */
  async function createPurged() {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1'), doc('d1'), doc('d2')]);
    const pullBy = (entityTypes?: string) => tenant.pull(entityTypes ? { entityTypes } : {});
    const [notes, docs, both, all] = await Promise.all(
      ['note', 'doc', 'note,doc', undefined].map(pullBy),
    );
    if (!notes || !docs || !both || !all) throw new Error('not pulled');
    await tenant.push([removeDoc('d1')]);
    await purge();
    return { tenant, notes, docs, both, all };
  }

  test('a checkpoint has expired only if its filter includes that type', async () => {
    const { tenant, notes, docs, both, all } = await createPurged();
    expect(await judged(tenant, notes.checkpoint, 'note')).toBe('good');
    expect(await judged(tenant, docs.checkpoint, 'doc')).toBe(checkpointExpired);
    expect(await judged(tenant, both.checkpoint, 'note,doc')).toBe(checkpointExpired);
    expect(await judged(tenant, all.checkpoint)).toBe(checkpointExpired);
  });

  test('a filter that loses that type has not expired', async () => {
    const { tenant, both, all } = await createPurged();
    expect(await judged(tenant, both.checkpoint, 'note')).toBe('good');
    expect(await judged(tenant, all.checkpoint, 'note')).toBe('good');
    expect(await judged(tenant, all.checkpoint, 'doc')).toBe(checkpointExpired);
  });

  test('a filter that gains that type bootstraps it', async () => {
    const { tenant, notes } = await createPurged();
    const grown = await tenant.pull({ since: notes.checkpoint, entityTypes: 'note,doc' });
    expect(ids(grown)).toEqual(['d2']);
    expect(await judged(tenant, grown.checkpoint, 'note,doc')).toBe('good');
  });

  test('a filter that keeps that type and gains another has expired', async () => {
    const { tenant, docs } = await createPurged();
    expect(await judged(tenant, docs.checkpoint, 'doc,note')).toBe(checkpointExpired);
  });

  test('a device that pulls regularly continues, whatever is purged of other types', async () => {
    const { tenant, notes } = await createPurged();
    let since = notes.checkpoint;
    for (let round = 0; round < 3; round += 1) {
      await tenant.push([doc(`r${round}`), removeDoc(`r${round}`)]);
      await purge();
      const page = await tenant.pull({ since, entityTypes: 'note' });
      expect(page).toMatchObject({ changes: [], hasMore: false });
      since = page.checkpoint;
    }
  });

  test('a type can have the name of an inherited property', async () => {
    const { tenant } = await createPurged();
    const { checkpoint } = await tenant.pull({ entityTypes: 'constructor' });
    await tenant.push([putNote('n9')]);
    expect(await judged(tenant, checkpoint, 'constructor')).toBe('good');
  });
});

const manyTypes = (length: number) => Array.from({ length }, (_, at) => `t${at}`).join();

test.each([
  ['100 types', manyTypes(100)],
  ['2,000 characters', Array.from({ length: 20 }, (_, at) => `t${at}`.padEnd(99, 'x')).join()],
])('a filter of %s is accepted, and its checkpoint fits into a URL', async (_what, types) => {
  const url = `/api/sync/changes?entityTypes=${types}`;
  const { body, headers } = await service.request({ url });
  const again = await service.request({
    url: `${url}&since=${body.checkpoint}`,
    headers: { 'if-none-match': String(headers.etag) },
  });
  expect(again.status).toBe(304);
});

test('the checkpoint of an unfinished bootstrap with a long filter and a long id fits into a URL too', async () => {
  const tenant = await createTenant(service);
  const longId = (at: number) => `${'\u{1F600}'.repeat(99)}${at}`;
  await tenant.push([1, 2, 3].map((at) => user(longId(at))));
  const kept = Array.from({ length: 20 }, (_, at) => `t${at}`.padEnd(96, 'x')).join();
  const { checkpoint } = await tenant.pull({ entityTypes: kept });
  const query = { entityTypes: `${kept},user`, limit: 1 };
  const first = await tenant.pull({ ...query, since: checkpoint });
  expect(first.hasMore).toBe(true);
  const port = await listenOnFreePort(service.app);
  const parameters = `entityTypes=${query.entityTypes}&limit=1&since=${first.checkpoint}`;
  const answer = await fetch(`http://127.0.0.1:${port}/api/sync/changes?${parameters}`, {
    headers: {
      authorization: `Bearer ${service.token(tenant.sender())}`,
      'if-none-match': `"${first.checkpoint}"`,
    },
  });
  expect(answer.status).toBe(200);
  const { changes } = (await answer.json()) as { changes: { entityId: string }[] };
  expect(changes.map(({ entityId }) => entityId)).toEqual([longId(2)]);
});

test.each([
  ['101 types', manyTypes(101), 'must be at most 100 entity types'],
  ['2,001 characters', 'a'.repeat(2001), 'must be at most 2000 characters'],
])('a filter of %s is refused, and the answer names the maximum', async (_what, types, detail) => {
  const answer = await service.request({ url: `/api/sync/changes?entityTypes=${types}` });
  expect(expectProblem(answer)).toMatchObject({ status: 400, code: 'INVALID_QUERY' });
  expect(answer.body.detail).toContain(detail);
});
