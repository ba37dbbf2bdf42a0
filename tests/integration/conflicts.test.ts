import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noteKinds, throwingNotePut } from '../testkit/kinds/storeroom-kinds.ts';
import { auditOf } from '../testkit/app/audit.ts';
import { patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: noteKinds });
});
afterAll(() => service.close());

/** Two devices edit the same version of a note. The second edit is a conflict. */
async function collide(tenant: Tenant, noteId = 'n1') {
  const first = putNote(noteId, { title: 'A', body: 'same' });
  const { results } = await tenant.push([first], {}, 'd1');
  const baseVersion = results?.[0]?.version ?? 0;
  const [winner, loser] = [
    putNote(noteId, { title: 'B', body: 'same' }, { baseVersion }),
    putNote(
      noteId,
      { title: 'C', body: 'same' },
      { baseVersion, occurredAt: '2026-01-01T10:00:00Z' },
    ),
  ];
  await tenant.push([winner], {}, 'tablet');
  await tenant.push([loser], {}, 'phone');
  return { winner, loser, baseVersion };
}

test('the list shows a conflict with both sides, their differing fields and their times', async () => {
  const tenant = await createTenant(service);
  const { winner, loser } = await collide(tenant);
  const current = await tenant.record('n1');
  const { conflicts, nextAfter } = await auditOf(tenant).conflicts();
  expect(nextAfter).toBeNull();
  expect(conflicts).toEqual([
    {
      identityKey: loser.identityKey,
      version: 3,
      entityType: 'note',
      entityId: 'n1',
      kind: 'note.put',
      kindVersion: 1,
      baseVersion: 1,
      baseKey: null,
      incoming: {
        payload: loser.payload,
        data: { title: 'C', body: 'same' },
        effectiveAt: '2026-01-01T10:00:00.000Z',
        receivedAt: expect.any(String),
        deviceId: 'phone',
        subject: 'user',
      },
      current,
      differingFields: ['title'],
      resolved: null,
    },
  ]);
  expect(current?.origin).toMatchObject({ identityKey: winner.identityKey, deviceId: 'tablet' });
});

test('a conflict is shown with the current record', async () => {
  const tenant = await createTenant(service);
  const { loser } = await collide(tenant);
  await tenant.push([patchNote('n1', { body: 'later' })]);
  expect(await auditOf(tenant).conflict(loser.identityKey)).toMatchObject({
    current: { version: 4, data: { title: 'B', body: 'later' } },
    differingFields: ['body', 'title'],
  });
});

test('the differing fields of a patch are among its own fields, and a delete has none', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' }), putNote('n1', { title: 'B' })]);
  const stale = [
    patchNote('n1', { title: 'C' }, { baseVersion: 1 }),
    removeNote('n1', { baseVersion: 1 }),
  ];
  await tenant.push(stale);
  expect((await auditOf(tenant).conflicts()).conflicts).toMatchObject([
    { incoming: { data: { title: 'C' } }, differingFields: ['title'] },
    { incoming: { data: null, payload: { noteId: 'n1' } }, differingFields: [] },
  ]);
});

test('a conflict about an unknown record has no current record', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' }, { baseVersion: 7 })]);
  expect((await auditOf(tenant).conflicts()).conflicts).toMatchObject([
    { current: null, differingFields: ['body', 'title'] },
  ]);
});

describe('a list of conflicts', () => {
  test('has the open ones, the resolved ones, or all', async () => {
    const tenant = await createTenant(service);
    const audit = auditOf(tenant);
    const [one, two] = [await collide(tenant, 'n1'), await collide(tenant, 'n2')];
    await audit.resolve(one.loser.identityKey, { resolution: 'discard' });
    const keysOf = async (query?: Record<string, string>) =>
      (await audit.conflicts(query)).conflicts.map(({ identityKey }) => identityKey);
    expect(await keysOf()).toEqual([two.loser.identityKey]);
    expect(await keysOf({ state: 'open' })).toEqual([two.loser.identityKey]);
    expect(await keysOf({ state: 'resolved' })).toEqual([one.loser.identityKey]);
    expect(await keysOf({ state: 'all' })).toEqual([one.loser.identityKey, two.loser.identityKey]);
  });

  test('can be limited to one entity', async () => {
    const tenant = await createTenant(service);
    const audit = auditOf(tenant);
    const [, two] = [await collide(tenant, 'n1'), await collide(tenant, 'n2')];
    for (const query of [{ entityId: 'n2' }, { entityType: 'note', entityId: 'n2' }]) {
      const { conflicts } = await audit.conflicts(query);
      expect(conflicts.map(({ identityKey }) => identityKey)).toEqual([two.loser.identityKey]);
    }
    expect((await audit.conflicts({ entityType: 'note' })).conflicts).toHaveLength(2);
    expect((await audit.conflicts({ entityType: 'ticket' })).conflicts).toEqual([]);
  });

  test('is paged by version, and its last page has no next one', async () => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1'), putNote('n1', { title: 'B' })]);
    const stale = Array.from({ length: 5 }, () => putNote('n1', {}, { baseVersion: 1 }));
    await tenant.push(stale);
    const audit = auditOf(tenant);
    const first = await audit.conflicts({ limit: 2 });
    const second = await audit.conflicts({ limit: 2, after: first.nextAfter ?? -1 });
    const third = await audit.conflicts({ limit: 2, after: second.nextAfter ?? -1 });
    const pages = [first, second, third];
    expect(pages.map(({ nextAfter }) => nextAfter)).toEqual([4, 6, null]);
    const keys = pages.flatMap(({ conflicts }) => conflicts.map((one) => one.identityKey));
    expect(keys).toEqual(stale.map(({ identityKey }) => identityKey));
    expect((await audit.conflicts({ limit: 5 })).nextAfter).toBeNull();
  });
});

test("another tenant's conflict is answered as if it did not exist", async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  const { loser } = await collide(theirs);
  const audit = auditOf(mine);
  expect((await audit.conflicts({ state: 'all' })).conflicts).toEqual([]);
  const unknown = await audit.find('no such key');
  expect(unknown).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
  expect((await audit.find(loser.identityKey)).body).toEqual(unknown.body);
  const answer = await audit.resolve(loser.identityKey, { resolution: 'discard' });
  expect(answer.body).toEqual(unknown.body);
  expect(await auditOf(theirs).conflict(loser.identityKey)).toMatchObject({ resolved: null });
});

test('an event that is no conflict, or an invalid key, is answered 404', async () => {
  const tenant = await createTenant(service);
  const applied = putNote('n1');
  await tenant.push([applied]);
  const audit = auditOf(tenant);
  for (const key of [applied.identityKey, 'a\u0000b', 'x'.repeat(201), 'x'.repeat(4000)]) {
    expect(await audit.find(key)).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
  }
});

test.each(['a/b?c=d&e#f', '50%', '%2F', 'ä ö,+', '\u{1F600}'.repeat(200)])(
  'a conflict is found by the percent-encoded key %j',
  async (identityKey) => {
    const tenant = await createTenant(service);
    await tenant.push([{ ...putNote('n1', {}, { baseVersion: 7 }), identityKey }]);
    const audit = auditOf(tenant);
    expect(await audit.conflict(identityKey)).toMatchObject({ identityKey });
    expect(await audit.resolve(identityKey, { resolution: 'force' })).toMatchObject({
      status: 200,
      body: { identityKey, resolved: { resolution: 'force' } },
    });
  },
);

test('reading needs sync:pull, and resolving needs sync:push', async () => {
  const url = '/api/sync/conflicts/k';
  const get = { url, sender: { scope: 'sync:push' } };
  const post = {
    method: 'POST',
    url: `${url}/resolution`,
    body: { resolution: 'discard' },
    sender: { scope: 'sync:pull' },
  } as const;
  for (const request of [get, { ...get, url: '/api/sync/conflicts' }, post]) {
    expect(await service.request(request)).toMatchObject({
      status: 403,
      body: { code: 'FORBIDDEN' },
    });
  }
});

describe('if the kind of a conflict', () => {
  test.each([
    ['was removed', [], 'UNKNOWN_KIND'],
    ['throws', [throwingNotePut], 'KIND_FAILED'],
  ] as const)('a conflict whose kind %s shows its payload', async (_what, kinds, failure) => {
    const later = await startApp({ kinds: [...kinds], database: service.database });
    try {
      const tenant = await createTenant(service);
      const { loser } = await collide(tenant);
      const audit = auditOf(tenant, later);
      expect((await audit.conflicts()).conflicts).toMatchObject([
        { incoming: { payload: loser.payload, data: null }, current: { version: 2 } },
      ]);
      for (const body of [
        { resolution: 'force' },
        { resolution: 'merge', payload: loser.payload },
      ]) {
        const answer = await audit.resolve(loser.identityKey, body);
        expect(answer).toMatchObject({
          status: 409,
          body: { code: 'RESOLUTION_REFUSED', failure, retryable: false },
        });
      }
      const isLogged = later.logLines.some(({ event }) => event === 'kind.failed');
      expect(isLogged).toBe(failure === 'KIND_FAILED');
      const discarded = await audit.resolve(loser.identityKey, { resolution: 'discard' });
      expect(discarded).toMatchObject({ status: 200, body: { current: { version: 2 } } });
    } finally {
      await later.close();
    }
  });
});
