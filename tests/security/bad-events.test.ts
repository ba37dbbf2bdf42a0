import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundledKinds } from '../../src/kinds/registry.ts';
import { pushAnswerSchema } from '../../src/protocol/push.ts';
import { documentKinds } from '../model/documents.ts';
import { put } from '../model/events.ts';
import { createTenant, expectShape } from '../model/tenant.ts';
import { startApp, type TestApp } from '../setup/app.ts';

const maxEventBytes = 2000;
const kinds = [...bundledKinds, ...documentKinds('doc')];

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds, env: { MAX_EVENT_BYTES: `${maxEventBytes}` } });
});
afterAll(() => service.close());

/** One event as JSON text, so that it may hold what JSON.stringify would not write. */
async function pushText(event: string) {
  const tenant = await createTenant(service);
  const { status, body } = await service.request({
    method: 'POST',
    url: '/api/sync/events',
    body: `{"events":[${event}]}`,
    sender: tenant.sender(),
  });
  expect(status).toBe(200);
  return { tenant, answer: expectShape(pushAnswerSchema, body) };
}

const note = (title: string, rest = '') =>
  `{"identityKey":"k","kind":"note.put","payload":{"noteId":"n1","title":${title},"body":""}${rest}}`;
const doc = (fields: string) =>
  `{"identityKey":"k","kind":"doc.put","payload":{"id":"d1","fields":${fields}}}`;
const key = (identityKey: string) =>
  `{"identityKey":${identityKey},"kind":"note.put","payload":{"noteId":"n1","title":"","body":""}}`;
const at = (occurredAt: string) => note('""', `,"occurredAt":${occurredAt}`);

test.each<[what: string, event: string, code: string, path: string | undefined]>([
  ['an empty key', key('""'), 'INVALID_EVENT', 'identityKey'],
  ['a key of 201 characters', key(`"${'k'.repeat(201)}"`), 'INVALID_EVENT', 'identityKey'],
  ['a key with a line break', key('"a\\nb"'), 'INVALID_EVENT', 'identityKey'],
  ['a key with DEL', key('"a\\u007fb"'), 'INVALID_EVENT', 'identityKey'],
  ['a key that is a number', key('5'), 'INVALID_EVENT', 'identityKey'],
  ['a key that is null', key('null'), 'INVALID_EVENT', 'identityKey'],
  ['no kind', '{"identityKey":"k","payload":{}}', 'INVALID_EVENT', 'kind'],
  ['a kind that is a number', '{"identityKey":"k","kind":1,"payload":{}}', 'INVALID_EVENT', 'kind'],
  ['no payload', '{"identityKey":"k","kind":"note.put"}', 'INVALID_EVENT', 'payload'],
  ['a tenant', note('""', ',"tenant":"t2"'), 'INVALID_EVENT', 'tenant'],
  ['an unknown field', note('""', ',"id":"x"'), 'INVALID_EVENT', 'id'],
  ['a version of 0', note('""', ',"version":0'), 'INVALID_EVENT', 'version'],
  ['a version of 1.5', note('""', ',"version":1.5'), 'INVALID_EVENT', 'version'],
  ['a version that is a text', note('""', ',"version":"1"'), 'INVALID_EVENT', 'version'],
  ['a version to come', note('""', ',"version":2'), 'UNSUPPORTED_VERSION', 'version'],
  ['a negative baseVersion', note('""', ',"baseVersion":-1'), 'INVALID_EVENT', 'baseVersion'],
  ['a baseVersion that is null', note('""', ',"baseVersion":null'), 'INVALID_EVENT', 'baseVersion'],
  ['an empty baseKey', note('""', ',"baseKey":""'), 'INVALID_EVENT', 'baseKey'],
  ['a sequence of 0', note('""', ',"sequence":0'), 'INVALID_EVENT', 'sequence'],
  [
    'a kind nobody knows',
    '{"identityKey":"k","kind":"note.puts","payload":{}}',
    'UNKNOWN_KIND',
    'kind',
  ],
  [
    'a kind every object knows',
    '{"identityKey":"k","kind":"constructor","payload":{}}',
    'UNKNOWN_KIND',
    'kind',
  ],
  [
    'a payload that is null',
    '{"identityKey":"k","kind":"note.put","payload":null}',
    'INVALID_PAYLOAD',
    'payload',
  ],
  [
    'a payload that is an array',
    '{"identityKey":"k","kind":"note.put","payload":[]}',
    'INVALID_PAYLOAD',
    'payload',
  ],
  [
    'a payload that lacks a field',
    '{"identityKey":"k","kind":"note.put","payload":{"noteId":"n","title":""}}',
    'INVALID_PAYLOAD',
    'payload.body',
  ],
  [
    'an unknown field in its payload',
    '{"identityKey":"k","kind":"note.remove","payload":{"noteId":"n","x":1}}',
    'INVALID_PAYLOAD',
    'payload.x',
  ],
  [
    'a patch of nothing',
    '{"identityKey":"k","kind":"note.patch","payload":{"noteId":"n"}}',
    'INVALID_PAYLOAD',
    'payload',
  ],
  [
    'an empty entity id',
    '{"identityKey":"k","kind":"note.remove","payload":{"noteId":""}}',
    'INVALID_PAYLOAD',
    'payload.noteId',
  ],
  ['a title that is too long', note(`"${'x'.repeat(501)}"`), 'INVALID_PAYLOAD', 'payload.title'],
  ['U+0000 in a text', note('"a\\u0000b"'), 'INVALID_TEXT', 'payload.title'],
  ['a high surrogate alone', note('"\\ud83d"'), 'INVALID_TEXT', 'payload.title'],
  ['a low surrogate alone', note('"a\\ude00b"'), 'INVALID_TEXT', 'payload.title'],
  ['surrogates in the wrong order', note('"\\ude00\\ud83d"'), 'INVALID_TEXT', 'payload.title'],
  ['U+0000 in the name of a field', doc('{"a\\u0000":1}'), 'INVALID_TEXT', 'payload.fields'],
  [
    'a lone surrogate in the name of a field',
    doc('{"\\udfff":1}'),
    'INVALID_TEXT',
    'payload.fields',
  ],
  ['1e400', doc('{"a":1e400}'), 'INVALID_NUMBER', 'payload.fields.a'],
  ['-1e400', doc('{"a":-1e400}'), 'INVALID_NUMBER', 'payload.fields.a'],
  ['2^53', doc('{"a":9007199254740992}'), 'INVALID_NUMBER', 'payload.fields.a'],
  ['-2^53-1', doc('{"a":-9007199254740993}'), 'INVALID_NUMBER', 'payload.fields.a'],
  [
    'an integer of 30 digits',
    doc('{"a":100000000000000000000000000001}'),
    'INVALID_NUMBER',
    'payload.fields.a',
  ],
  ['30 February', at('"2026-02-30T00:00:00Z"'), 'INVALID_TIMESTAMP', 'occurredAt'],
  ['29 February of no leap year', at('"2026-02-29T00:00:00Z"'), 'INVALID_TIMESTAMP', 'occurredAt'],
  ['month 13', at('"2026-13-01T00:00:00Z"'), 'INVALID_TIMESTAMP', 'occurredAt'],
  ['hour 25', at('"2026-01-01T25:00:00Z"'), 'INVALID_TIMESTAMP', 'occurredAt'],
  ['a zone of 24 hours', at('"2026-01-01T00:00:00+24:00"'), 'INVALID_TIMESTAMP', 'occurredAt'],
  ['no zone', at('"2026-01-01T00:00:00"'), 'INVALID_TIMESTAMP', 'occurredAt'],
  ['a date only', at('"2026-01-01"'), 'INVALID_TIMESTAMP', 'occurredAt'],
  ['a word for a time', at('"now"'), 'INVALID_TIMESTAMP', 'occurredAt'],
  ['an empty time', at('""'), 'INVALID_TIMESTAMP', 'occurredAt'],
  ['a number for a time', at('1732183200000'), 'INVALID_TIMESTAMP', 'occurredAt'],
  ['null for a time', at('null'), 'INVALID_TIMESTAMP', 'occurredAt'],
  ['the year 0', at('"0000-01-01T00:00:00Z"'), 'INVALID_TIMESTAMP', 'occurredAt'],
  ['the year 275760', at('"+275760-09-13T00:00:00Z"'), 'INVALID_TIMESTAMP', 'occurredAt'],
  ['the year 1899', at('"1899-12-31T23:59:59.999Z"'), 'INVALID_TIMESTAMP', 'occurredAt'],
  [
    'the year 1899 by its zone',
    at('"1900-01-01T00:00:00+00:01"'),
    'INVALID_TIMESTAMP',
    'occurredAt',
  ],
  ['the year 2200', at('"2200-01-01T00:00:00Z"'), 'INVALID_TIMESTAMP', 'occurredAt'],
  [
    'the year 2200 by its zone',
    at('"2199-12-31T23:59:59-00:01"'),
    'INVALID_TIMESTAMP',
    'occurredAt',
  ],
])('an event with %s fails alone and is not stored', async (_what, event, code, path) => {
  const { tenant, answer } = await pushText(
    `${event},{"identityKey":"good","kind":"note.remove","payload":{"noteId":"n9"}}`,
  );
  expect(answer.processed).toEqual(['good']);
  expect(answer.failed).toMatchObject([{ code, retryable: false }]);
  expect(answer.failed[0]?.path).toBe(path);
  expect(await tenant.log()).toMatchObject([{ identityKey: 'good' }]);
});

test.each<[what: string, event: string]>([
  ['1900', at('"1900-01-01T00:00:00Z"')],
  ['the end of 2199', at('"2199-12-31T23:59:59.999999Z"')],
  ['29 February of a leap year', at('"2024-02-29T23:59:59Z"')],
  ['a time with nanoseconds', at('"2026-01-01T00:00:00.123456789Z"')],
  ['a time without seconds fraction in a far zone', at('"2026-01-01T00:00:00-12:00"')],
  ['a pair of surrogates', note('"\\ud83d\\ude00"')],
  ['2^53-1', doc('{"a":9007199254740991,"b":-9007199254740991}')],
  ['a large number that is not exact', doc('{"a":0.1,"b":1.5e-300}')],
])('an event with %s is processed', async (_what, event) => {
  const { answer } = await pushText(event);
  expect(answer.processed).toEqual(['k']);
});

test('an event over the maximum fails alone; bytes count, not characters', async () => {
  const tenant = await createTenant(service);
  const [fits, over, wide] = [
    put('n1', { body: 'x'.repeat(maxEventBytes - 300) }),
    put('n2', { body: 'x'.repeat(maxEventBytes) }),
    put('n3', { body: 'é'.repeat(maxEventBytes / 2) }),
  ];
  expect(await tenant.said([fits, over, wide, put('n4')])).toEqual([
    'applied',
    'EVENT_TOO_LARGE',
    'EVENT_TOO_LARGE',
    'applied',
  ]);
});

test('a queue of any age drains, unless the server sets an age', async () => {
  const tenant = await createTenant(service);
  const ancient = put('n1', { title: 'A' }, { occurredAt: '1900-01-01T00:00:00Z' });
  const another = put('n2', {}, { occurredAt: '1900-01-01T00:00:00Z' });
  expect(await tenant.said([ancient])).toEqual(['applied']);

  const env = { MAX_EVENT_AGE: '1d' };
  const strict = await startApp({ kinds, env, database: service.database });
  const there = await createTenant(strict);
  expect(await there.said([another, put('n3')])).toEqual(['EVENT_TOO_OLD', 'applied']);
  // By the client's own clock it happened a minute before it was sent.
  const slow = put('n2', {}, { occurredAt: '1999-12-31T23:59:00Z' });
  expect(await there.said([slow], { sentAt: '2000-01-01T00:00:00Z' })).toEqual(['applied']);
  // What was stored stays stored, however late the client asks.
  const replay = await strict.push([ancient], {}, tenant.sender());
  expect(replay.results).toMatchObject([{ status: 'duplicate', original: 'applied' }]);
  await strict.close();
});

test('texts that try to be something else are stored to the letter', async () => {
  const tenant = await createTenant(service);
  const texts = [
    "'); DROP TABLE records; --",
    '"; UPDATE tenants SET head = 0; --',
    "\\'; $1 $$ %s {0} ${jndi:ldap://x} {{7*7}}",
    '</script><script>alert(1)</script>',
    '\r\n{"level":60,"msg":"forged"}\u001b[31m\u2028\u202e',
    '\ufeff \u00a0\u200b',
    'A\u030a \u00c5 \u212b',
    '\u{10ffff}\ufffe',
  ];
  const events = texts.map((title, index) => put(`n${index}`, { title, body: title }));
  expect((await tenant.push(events)).failed).toEqual([]);
  const records = await tenant.records();
  expect(texts.map((_text, index) => records.get(`n${index}`)?.data)).toEqual(
    texts.map((text) => ({ title: text, body: text })),
  );
});

test('an entity id that tries to be something else is an id', async () => {
  const tenant = await createTenant(service);
  const ids = ["' OR ''='", '%', '_', '*', '..', 'constructor', '__proto__', 'a,b', '{"a":1}'];
  await tenant.push(ids.map((id) => put(id, { title: id })));
  expect([...(await tenant.records())].map(([id, { data }]) => [id, data?.title])).toEqual(
    ids.map((id) => [id, id]),
  );
});

test('no line of the log holds a payload, a tenant, a key or a checkpoint', async () => {
  const tenant = await createTenant(service);
  const secret = 'a text that only its owner may read';
  const event = put('n1', { title: secret }, { identityKey: `key ${secret}` });
  const { checkpoint } = await tenant.push([
    event,
    { ...event, kind: secret },
    { [secret]: secret },
  ]);
  await tenant.pull({ since: checkpoint });
  const log = JSON.stringify(service.logLines);
  expect(service.logLines.length).toBeGreaterThan(0);
  for (const hidden of [secret, tenant.id, checkpoint]) expect(log).not.toContain(hidden);
});
