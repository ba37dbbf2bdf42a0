import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventFailures } from '../../../src/domain/errors.ts';
import { pushAnswerSchema } from '../../../src/protocol/push.ts';
import { patchNote, putNote, removeNote } from '../../testkit/events/sent-events.ts';
import { createTenant, expectExactShape } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

test('every event is in exactly one of the two lists, each in request order', async () => {
  const tenant = await createTenant(service);
  const events = [
    putNote('n3'),
    patchNote('missing', { title: 'A' }),
    putNote('n1'),
    putNote('n2', {}, { payload: {} }),
    removeNote('n1'),
    putNote('n4', {}, { kind: 'note.unheard-of' }),
  ];
  const answer = await tenant.push(events);
  const keys = events.map(({ identityKey }) => identityKey);
  expect(answer.processed).toEqual([keys[0], keys[2], keys[4]]);
  expect(answer.failed.map(({ identityKey }) => identityKey)).toEqual([keys[1], keys[3], keys[5]]);
});

test('results hold one entry per event, in request order', async () => {
  const tenant = await createTenant(service);
  const [first, broken, last] = [putNote('n2'), putNote('n1', {}, { payload: {} }), putNote('n1')];
  const { results } = await tenant.push([first, broken, last, first]);
  expect(results).toEqual([
    { identityKey: first.identityKey, status: 'applied', version: 1 },
    { identityKey: broken.identityKey, status: 'failed', code: 'INVALID_PAYLOAD' },
    { identityKey: last.identityKey, status: 'applied', version: 2 },
    { identityKey: first.identityKey, status: 'duplicate', original: 'applied', version: 1 },
  ]);
});

test('results come only to who asks for them', async () => {
  const tenant = await createTenant(service);
  const body = { events: [putNote('n1'), patchNote('missing', { body: 'B' })] };
  const { body: answer } = await service.request({
    method: 'POST',
    url: '/api/sync/events',
    body,
    sender: tenant.sender(),
  });
  expectExactShape(pushAnswerSchema, answer);
  expect(answer).not.toHaveProperty('results');
  expect(answer.processed).toHaveLength(1);
  expect(answer.failed).toHaveLength(1);
});

test('a batch of which every event fails is a success that stores nothing', async () => {
  const tenant = await createTenant(service);
  const answer = await tenant.push([patchNote('n1', { title: 'A' }), { identityKey: 'k' }]);
  expect(answer.success).toBe(true);
  expect(answer.processed).toEqual([]);
  expect(answer.failed.map(({ code }) => code)).toEqual(['NOT_FOUND', 'INVALID_EVENT']);
  expect(await tenant.log()).toEqual([]);
});

test('a failure says whether, and after how long, to send the event again', async () => {
  const tenant = await createTenant(service);
  const { failed } = await tenant.push([
    patchNote('n1', { title: 'A' }),
    putNote('n1'),
    putNote('n2', {}, { kind: 'unheard-of' }),
    putNote('n3', {}, { payload: { noteId: 'n3', title: 'A', body: 7 } }),
  ]);
  expect(failed).toMatchObject([
    { code: 'NOT_FOUND', retryable: true, retryAfterMs: eventFailures.NOT_FOUND.retryAfterMs },
    { code: 'BLOCKED', retryable: true, retryAfterMs: eventFailures.BLOCKED.retryAfterMs },
    { code: 'UNKNOWN_KIND', retryable: true, fault: 'server', path: 'kind' },
    { code: 'INVALID_PAYLOAD', retryable: false, path: 'payload.body' },
  ]);
  for (const { message } of failed) expect(message).not.toBe('');
  expect(failed.filter(({ retryable }) => !retryable)).not.toContainEqual(
    expect.objectContaining({ retryAfterMs: expect.anything() }),
  );
});

test('an event without a readable key is named by its place in the request', async () => {
  const tenant = await createTenant(service);
  const { identityKey: _key, ...keyless } = putNote('n1');
  const unreadable = [null, 'text', 5, true, [], {}, keyless, { ...keyless, identityKey: 7 }];
  const answer = await tenant.push([putNote('n2'), ...unreadable, putNote('n3')]);
  expect(answer.processed).toHaveLength(2);
  expect(answer.failed.map(({ identityKey, index, code }) => [identityKey, index, code])).toEqual(
    unreadable.map((_event, at) => [null, at + 1, 'INVALID_EVENT']),
  );
  expect(answer.results?.map(({ index }) => index)).toEqual([
    undefined,
    ...unreadable.map((_event, at) => at + 1),
    undefined,
  ]);
});

test('an event with an invalid key is named by its place, its key is not repeated', async () => {
  const tenant = await createTenant(service);
  const invalid = ['', 'x'.repeat(201), 'line\nbreak', 'escape\u001b', 'separator\u2028'];
  const { failed } = await tenant.push(
    invalid.map((identityKey) => ({ ...putNote('n'), identityKey })),
  );
  expect(
    failed.map(({ identityKey, index, code, path }) => ({ identityKey, index, code, path })),
  ).toEqual(
    invalid.map((_key, index) => ({
      identityKey: null,
      index,
      code: 'INVALID_EVENT',
      path: 'identityKey',
    })),
  );
});

test('a key of 200 characters of any script is a key', async () => {
  const tenant = await createTenant(service);
  const keys = ['k', 'x'.repeat(200), '\u{1F680}'.repeat(200), 'a key / with "signs" \\ é 漢'];
  const answer = await tenant.push(keys.map((identityKey) => putNote('n1', {}, { identityKey })));
  expect(answer.processed).toEqual(keys);
});

test("receivedAt is the database's clock", async () => {
  const tenant = await createTenant(service);
  const clock = async () => {
    const sql = 'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now';
    const [row] = await service.sql<{ now: number }>(sql);
    return row?.now ?? Number.NaN;
  };
  const before = await clock();
  const { receivedAt } = await tenant.push([putNote('n1')]);
  expect(Date.parse(receivedAt)).toBeGreaterThanOrEqual(before);
  expect(Date.parse(receivedAt)).toBeLessThanOrEqual(await clock());
});

test('every accepted event takes the next version, also one that changes nothing', async () => {
  const tenant = await createTenant(service);
  const first = putNote('n1', { title: 'A' }, { occurredAt: '2026-03-01T00:00:00Z' });
  const late = putNote('n1', { title: 'B' }, { occurredAt: '2026-02-01T00:00:00Z' });
  const same = putNote('n1', { title: 'A' }, { occurredAt: '2026-04-01T00:00:00Z' });
  const failing = patchNote('n2', { title: 'C' });
  expect(await tenant.push([first])).toMatchObject({
    results: [{ status: 'applied', version: 1 }],
  });
  const lost = { status: 'superseded', version: 2 };
  expect(await tenant.push([late])).toMatchObject({ results: [lost] });
  const { results } = await tenant.push([failing, same, putNote('n2')]);
  expect(results).toMatchObject([
    { status: 'failed' },
    { status: 'noop', version: 3 },
    { status: 'failed', code: 'BLOCKED' },
  ]);
  expect(results?.[0]).not.toHaveProperty('version');
  expect((await tenant.record('n1'))?.version).toBe(1);
  expect(await tenant.head()).toBe(3);
});

test('a pull since the checkpoint of a push returns everything that the batch changed', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('old'), putNote('n1'), putNote('n2')]);
  const { checkpoint } = await tenant.push([
    putNote('n3'),
    putNote('n1', { title: 'B' }),
    removeNote('n2'),
    patchNote('missing', { title: 'C' }),
  ]);
  const { changes } = await tenant.pull({ since: checkpoint });
  const changed = changes.map(({ entityId, deleted }) => [entityId, deleted]);
  expect(changed).toEqual(
    expect.arrayContaining([
      ['n3', false],
      ['n1', false],
      ['n2', true],
    ]),
  );
});

test('a pull since the checkpoint of a replayed batch returns what the batch once changed', async () => {
  const tenant = await createTenant(service);
  const batch = [putNote('n1'), putNote('n2')];
  await tenant.push([putNote('n0')]);
  await tenant.push(batch);
  await tenant.push([putNote('n3')]);
  const { checkpoint } = await tenant.push(batch);
  const { changes } = await tenant.pull({ since: checkpoint });
  expect(changes.map(({ entityId }) => entityId)).toEqual(expect.arrayContaining(['n1', 'n2']));
});

test('the checkpoint of a batch that changed nothing can be pulled since', async () => {
  const tenant = await createTenant(service);
  const nothing = [patchNote('n1', { title: 'A' })];
  const onEmpty = await tenant.push(nothing);
  await tenant.push([putNote('n2')]);
  const { changes } = await tenant.pull({ since: onEmpty.checkpoint });
  expect(changes.map(({ entityId }) => entityId)).toEqual(['n2']);
  const later = await tenant.push(nothing);
  await tenant.push([putNote('n3')]);
  const after = await tenant.pull({ since: later.checkpoint });
  expect(after.changes.map(({ entityId }) => entityId)).toContain('n3');
});

test('the device of the token, not one named in the event, is the origin of a record', async () => {
  const tenant = await createTenant(service);
  const event = putNote('n1', { title: 'A' });
  await tenant.push([event], {}, 'tablet');
  expect((await tenant.record('n1'))?.origin).toMatchObject({
    identityKey: event.identityKey,
    kind: 'note.put',
    deviceId: 'tablet',
  });
});
