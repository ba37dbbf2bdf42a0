import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { put as putPolicy } from '../../../src/domain/kinds/policies/put.ts';
import { bundledKinds } from '../../../src/systems/bundled.ts';
import {
  copyWithNewKey,
  patchNote,
  putNote,
  removeNote,
  type SentEvent,
} from '../../testkit/events/sent-events.ts';
import { createTenant, expectExactShape, statusesOf } from '../../testkit/app/tenant.ts';
import { pushAnswerSchema } from '../../../src/protocol/push.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

const cardSchema = z.strictObject({ id: z.string(), text: z.string() });
const upcastable = payload(cardSchema).next(
  cardSchema.extend({ colour: z.string().default('none') }),
  (older) => ({ ...older, colour: 'grey' }),
);
const card = (name: string) =>
  defineKind({
    name,
    entityType: 'card',
    payload: upcastable,
    entityId: ({ id }) => id,
    policy: putPolicy(({ text, colour }) => ({ text, colour })),
  });

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, card('card.put'), card('card.set')] });
});
afterAll(() => service.close());

test('a replayed event is answered as duplicate with its outcome and version, and writes nothing', async () => {
  const tenant = await createTenant(service);
  const applied = putNote('n1', { title: 'A' }, { occurredAt: '2026-03-01T00:00:00Z' });
  const superseded = putNote('n1', { title: 'B' }, { occurredAt: '2026-02-01T00:00:00Z' });
  const noop = putNote('n1', { title: 'A' }, { occurredAt: '2026-04-01T00:00:00Z' });
  const batch = [applied, superseded, noop];
  for (const event of batch) await tenant.push([event]);
  const [log, record] = [await tenant.log(), await tenant.record('n1')];

  const again = await tenant.push(batch);
  expect(again.processed).toEqual(batch.map(({ identityKey }) => identityKey));
  expect(again.failed).toEqual([]);
  expect(again.results).toMatchObject([
    { status: 'duplicate', original: 'applied', version: 1 },
    { status: 'duplicate', original: 'superseded', version: 2 },
    { status: 'duplicate', original: 'noop', version: 3 },
  ]);
  expect(await tenant.log()).toEqual(log);
  expect(await tenant.record('n1')).toEqual(record);
  expect(await tenant.head()).toBe(3);
});

test('a replay in another order, another batch and from another device is still a duplicate', async () => {
  const tenant = await createTenant(service);
  const [first, second] = [putNote('n1'), putNote('n2')];
  await tenant.push([first, second], {}, 'phone');
  expect(await tenant.pushStatuses([second, putNote('n3'), first], {}, 'tablet')).toEqual([
    'duplicate of applied',
    'applied',
    'duplicate of applied',
  ]);
});

test('the same content under another key is another event', async () => {
  const tenant = await createTenant(service);
  const [a, b] = [putNote('n1', { title: 'A' }), putNote('n1', { title: 'B' })];
  const said = await tenant.pushStatuses([a, b, copyWithNewKey(a)]);
  expect(said).toEqual(['applied', 'applied', 'applied']);
  expect((await tenant.record('n1'))?.data).toEqual({ title: 'A', body: '' });
});

test('a key belongs to its tenant: another tenant may use the same one', async () => {
  const [one, two] = [await createTenant(service), await createTenant(service)];
  const event = putNote('n1', { title: 'One' });
  await one.push([event]);
  expect(
    await two.pushStatuses([{ ...event, payload: { noteId: 'n1', title: 'Two', body: '' } }]),
  ).toEqual(['applied']);
  expect((await one.record('n1'))?.data).toEqual({ title: 'One', body: '' });
});

const cardPut: SentEvent = {
  identityKey: 'k1',
  kind: 'card.put',
  version: 2,
  occurredAt: '2026-01-01T00:00:00Z',
  payload: { id: 'c1', text: 'A', colour: 'red' },
};

test.each<[changed: string, original: SentEvent, replay: SentEvent]>([
  ['kind', cardPut, { ...cardPut, kind: 'card.set' }],
  [
    'version',
    { ...cardPut, payload: { id: 'c1', text: 'A' } },
    { ...cardPut, payload: { id: 'c1', text: 'A' }, version: 1 },
  ],
  ['payload', cardPut, { ...cardPut, payload: { id: 'c1', text: 'B', colour: 'red' } }],
  ['entity', cardPut, { ...cardPut, payload: { id: 'c2', text: 'A', colour: 'red' } }],
  ['occurredAt', cardPut, { ...cardPut, occurredAt: '2026-01-01T00:00:01Z' }],
  ['having an occurredAt', cardPut, { ...cardPut, occurredAt: undefined }],
  ['having a baseVersion', cardPut, { ...cardPut, baseVersion: 0 }],
  ['baseVersion', { ...cardPut, baseVersion: 0 }, { ...cardPut, baseVersion: 1 }],
  ['having a baseKey', cardPut, { ...cardPut, baseKey: 'k0' }],
  ['sequence', cardPut, { ...cardPut, sequence: 2 }],
])(
  'a key used again with another %s is refused and changes nothing',
  async (_what, original, replay) => {
    const tenant = await createTenant(service);
    expect(await tenant.pushStatuses([original])).toEqual(['applied']);
    const record = await tenant.record('c1');
    const { failed, processed } = await tenant.push([replay]);
    expect(processed).toEqual([]);
    expect(failed).toMatchObject([
      { identityKey: 'k1', code: 'IDENTITY_KEY_REUSED', retryable: false },
    ]);
    expect(await tenant.record('c1')).toEqual(record);
    expect(await tenant.head()).toBe(1);
    expect(await tenant.pushStatuses([original])).toEqual(['duplicate of applied']);
  },
);

test('the order of members, white space and escapes do not make another event', async () => {
  const tenant = await createTenant(service);
  const sender = tenant.sender();
  const texts = [
    '{"events":[{"identityKey":"k","kind":"card.put","payload":{"id":"c","text":"Aé"}}]}',
    '{"events":[ {"payload" : {"text":"\\u0041\\u00e9", "id":"c"},"kind":"card.put","identityKey":"k"}]}',
    '{"atomic":true,"sentAt":"2026-01-01T00:00:00Z","events":[{"identityKey":"k","kind":"card.put","version":1,"payload":{"id":"c","text":"Aé"}}]}',
  ];
  const said = [];
  for (const body of texts) {
    const url = '/api/sync/events?include=results';
    const answer = await service.request({ method: 'POST', url, body, sender });
    said.push(...statusesOf(expectExactShape(pushAnswerSchema, answer.body)));
  }
  expect(said).toEqual(['applied', 'duplicate of applied', 'duplicate of applied']);
});

test('the same key twice in one batch: the first counts', async () => {
  const tenant = await createTenant(service);
  const event = putNote('n1', { title: 'First' });
  const different = putNote('n1', { title: 'Second' }, { identityKey: event.identityKey });
  const answer = await tenant.push([event, event, different, event]);
  expect(statusesOf(answer)).toEqual([
    'applied',
    'duplicate of applied',
    'IDENTITY_KEY_REUSED',
    'duplicate of applied',
  ]);
  expect(answer.processed).toEqual([event, event, event].map(({ identityKey }) => identityKey));
  expect(answer.results?.map(({ version }) => version)).toEqual([1, 1, undefined, 1]);
  expect((await tenant.record('n1'))?.data).toEqual({ title: 'First', body: '' });
  expect(await tenant.head()).toBe(1);
});

test('an event that failed did not take its key: corrected, it may keep it', async () => {
  const tenant = await createTenant(service);
  const identityKey = 'kept';
  const attempts = [
    { ...putNote('n1'), identityKey, payload: { noteId: 'n1' } },
    { ...putNote('n1'), identityKey, kind: 'note.puts' },
    { ...putNote('n1'), identityKey, version: 9 },
    { ...putNote('n1'), identityKey, occurredAt: 'yesterday' },
    patchNote('n1', { title: 'A' }, { identityKey }),
    putNote('n1', { title: 'B' }, { identityKey, baseKey: 'never-sent' }),
    putNote('n1', { title: 'C' }, { identityKey }),
  ];
  const said = [];
  for (const attempt of attempts) said.push(...(await tenant.pushStatuses([attempt])));
  expect(said).toEqual([
    'INVALID_PAYLOAD',
    'UNKNOWN_KIND',
    'UNSUPPORTED_VERSION',
    'INVALID_TIMESTAMP',
    'NOT_FOUND',
    'BLOCKED',
    'applied',
  ]);
  expect(await tenant.log()).toMatchObject([{ version: 1, identityKey, outcome: 'applied' }]);
});

test('a conflict did take its key: it answers the same again, and other content is refused', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' })]);
  const stale = putNote('n1', { title: 'B' }, { baseVersion: 0 });
  const first = await tenant.push([stale]);
  const again = await tenant.push([stale]);
  expect(first.failed).toMatchObject([{ code: 'CONFLICT' }]);
  expect(again.failed).toEqual(first.failed);
  expect(await tenant.head()).toBe(2);
  expect(await tenant.pushStatuses([{ ...stale, baseVersion: 1 }])).toEqual([
    'IDENTITY_KEY_REUSED',
  ]);
});

test('an older payload version is lifted to the newest', async () => {
  const tenant = await createTenant(service);
  const older = {
    identityKey: 'k1',
    kind: 'card.put',
    version: 1,
    payload: { id: 'c1', text: 'A' },
  };
  expect(await tenant.pushStatuses([older])).toEqual(['applied']);
  expect((await tenant.record('c1'))?.data).toEqual({ text: 'A', colour: 'grey' });
  const [row] = await service.sql('SELECT payload FROM event_log WHERE tenant_id = $1', [
    tenant.id,
  ]);
  expect(row?.payload).toEqual(older.payload);
});

test('a removed and recreated record keeps apart what its keys did', async () => {
  const tenant = await createTenant(service);
  const [created, removed, recreated] = [
    putNote('n1', { title: 'A' }),
    removeNote('n1'),
    putNote('n1', { title: 'B' }),
  ];
  for (const event of [created, removed, recreated]) await tenant.push([event]);
  expect(await tenant.pushStatuses([removed, created])).toEqual([
    'duplicate of applied',
    'duplicate of applied',
  ]);
  expect(await tenant.record('n1')).toMatchObject({ deleted: false, data: { title: 'B' } });
});

test('the baseKey is part of what a key stands for', async () => {
  const tenant = await createTenant(service);
  const [one, two] = [putNote('n1', { title: 'A' }), putNote('n1', { title: 'B' })];
  await tenant.push([one, two]);
  const edit = putNote('n1', { title: 'C' }, { baseKey: two.identityKey });
  expect(await tenant.pushStatuses([edit, { ...edit, baseKey: one.identityKey }])).toEqual([
    'applied',
    'IDENTITY_KEY_REUSED',
  ]);
});
