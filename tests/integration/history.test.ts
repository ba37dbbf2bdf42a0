import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditOf } from '../testkit/app/audit.ts';
import { noteKinds } from '../testkit/kinds/storeroom-kinds.ts';
import { patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { ofTenant } from '../testkit/postgres/tenant-history.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: noteKinds });
});
afterAll(() => service.close());

test('the history of an entity has its events with their fields and their outcomes, the newest first', async () => {
  const tenant = await createTenant(service);
  const edit = patchNote(
    'n1',
    { title: 'B' },
    { baseVersion: 1, occurredAt: '2026-01-01T00:00:00Z' },
  );
  await tenant.push([putNote('n1'), putNote('n2')]);
  await tenant.push([edit], {}, 'phone');
  const { events, nextBefore } = await auditOf(tenant).history('note', 'n1');
  expect(nextBefore).toBeNull();
  expect(events).toHaveLength(2);
  const effectiveAt = events[1]?.effectiveAt;
  expect(events[0]).toEqual({
    identityKey: edit.identityKey,
    version: 3,
    kind: 'note.patch',
    kindVersion: 1,
    entityType: 'note',
    entityId: 'n1',
    outcome: 'applied',
    occurredAt: '2026-01-01T00:00:00.000Z',
    // The base is valid, so the effective time is after that of the base.
    effectiveAt,
    receivedAt: expect.any(String),
    clockAdjusted: false,
    deviceId: 'phone',
    subject: 'user',
    baseVersion: 1,
    baseKey: null,
    sequence: null,
    payload: edit.payload,
    recordBefore: 1,
    recordAfter: 3,
    resends: { count: 0, lastAt: null },
    resolves: null,
    resolvedBy: null,
  });
});

test('the history has events of every outcome, with the versions of the record before and after', async () => {
  const tenant = await createTenant(service);
  const first = putNote('n1', { title: 'A' });
  await tenant.push([first, putNote('n1', { title: 'A' }, { baseKey: first.identityKey })]);
  await tenant.push([putNote('n1', { title: 'late' }, { occurredAt: '2026-01-01T00:00:00Z' })]);
  await tenant.push([
    putNote('n1', { title: 'B' }, { occurredAt: '2199-01-01T00:00:00Z' }),
    putNote('n1', { title: 'C' }, { baseVersion: 1 }),
    removeNote('n1'),
  ]);
  const { events } = await auditOf(tenant).history('note', 'n1');
  const rows = events.map((event) => [
    event.outcome,
    event.recordBefore,
    event.recordAfter,
    event.clockAdjusted,
  ]);
  expect(rows).toEqual([
    ['applied', 4, 6, false],
    ['conflict', 4, 4, false],
    ['applied', 1, 4, true],
    ['superseded', 1, 1, false],
    ['noop', 1, 1, false],
    ['applied', 0, 1, false],
  ]);
  expect(events.at(-2)?.baseKey).toBe(first.identityKey);
});

test('a conflict and the event that resolved it link to each other', async () => {
  const tenant = await createTenant(service);
  const stale = putNote('n1', { title: 'mine' }, { baseVersion: 0 });
  await tenant.push([putNote('n1'), stale]);
  const audit = auditOf(tenant);
  const before = await audit.history('note', 'n1');
  expect(before.events[0]).toMatchObject({ resolves: null, resolvedBy: null });
  await audit.resolve(stale.identityKey, { resolution: 'force' }, 'desk');
  const { events } = await audit.history('note', 'n1');
  const settling = 'landfall:resolution:2';
  const both = [
    {
      identityKey: settling,
      payload: stale.payload,
      deviceId: 'desk',
      recordBefore: 1,
      recordAfter: 3,
      resolves: { identityKey: stale.identityKey, version: 2, resolution: 'force' },
      resolvedBy: null,
    },
    {
      identityKey: stale.identityKey,
      resolves: null,
      resolvedBy: { identityKey: settling, version: 3, resolution: 'force' },
    },
    { version: 1, resolves: null, resolvedBy: null },
  ];
  expect(events).toMatchObject(both);
  // The links work also if the two are on different pages.
  for (const [at, one] of both.entries()) {
    const query = at === 0 ? {} : { before: events[at - 1]?.version ?? 0 };
    expect((await audit.history('note', 'n1', { ...query, limit: 1 })).events).toMatchObject([one]);
  }
});

test('a discard is an event without payload that changed nothing', async () => {
  const tenant = await createTenant(service);
  const stale = putNote('n1', { title: 'mine' }, { baseVersion: 0 });
  await tenant.push([putNote('n1'), stale]);
  const audit = auditOf(tenant);
  await audit.resolve(stale.identityKey, { resolution: 'discard' });
  expect((await audit.history('note', 'n1')).events[0]).toMatchObject({
    outcome: 'noop',
    payload: null,
    recordBefore: 1,
    recordAfter: 1,
    resolves: { version: 2, resolution: 'discard' },
  });
});

test('the history has events whose payload was dropped', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1')]);
  await service.sql(`UPDATE events SET payload = NULL WHERE ${ofTenant}`, [tenant.id]);
  expect((await auditOf(tenant).history('note', 'n1')).events).toMatchObject([
    { version: 1, outcome: 'applied', payload: null, recordBefore: 0, recordAfter: 1 },
  ]);
});

test("another tenant's entity is answered like an unknown one: without events", async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  await theirs.push([putNote('n1')]);
  await mine.push([putNote('n2')]);
  const audit = auditOf(mine);
  const nothing = { events: [], nextBefore: null };
  expect(await audit.history('note', 'n1')).toEqual(nothing);
  expect(await audit.history('nothing', 'n1')).toEqual(nothing);
});

test('a tenant that never pushed has no history', async () => {
  const answer = await service.request({
    url: '/api/sync/entities/note/n1/events',
    sender: { tenant: 'never seen' },
  });
  expect(answer).toMatchObject({ status: 200, body: { events: [], nextBefore: null } });
});

test('an entity is found by every valid name', async () => {
  const tenant = await createTenant(service);
  for (const noteId of ['a/b', '50% ?#&', '\u{1F600}'.repeat(200)]) {
    await tenant.push([putNote(noteId)]);
    const { events } = await auditOf(tenant).history('note', noteId);
    expect(events.map(({ entityId }) => entityId)).toEqual([noteId]);
  }
  const url = '/api/sync/entities/note/a%00b/events';
  expect(await service.request({ url, sender: tenant.sender() })).toMatchObject({ status: 404 });
});

test('reading needs sync:pull and a valid query', async () => {
  const url = '/api/sync/entities/note/n1/events';
  const sender = { scope: 'sync:push' };
  expect(await service.request({ url, sender })).toMatchObject({ status: 403 });
  for (const query of ['limit=0', 'before=x', 'before=', 'before=-1', 'after=1', 'since=1']) {
    expect(await service.request({ url: `${url}?${query}` })).toMatchObject({
      status: 400,
      body: { code: 'INVALID_QUERY' },
    });
  }
});

test('a failure of the database is answered 503 without its details', async () => {
  const tenant = await createTenant(service);
  const holder = new pg.Client({ connectionString: service.database.url });
  await holder.connect();
  try {
    await holder.query('BEGIN; LOCK TABLE effects IN ACCESS EXCLUSIVE MODE');
    const url = '/api/sync/entities/note/n1/events';
    const answer = await service.request({ url, sender: tenant.sender() });
    expect(answer).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE', retryable: true } });
    expect(JSON.stringify(answer.body)).not.toMatch(/prisma|effects|lock/i);
  } finally {
    await holder.end();
  }
});
