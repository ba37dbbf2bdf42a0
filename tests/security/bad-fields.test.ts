import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { documentKinds } from '../testkit/kinds/document-kinds.ts';
import { putNote } from '../testkit/events/sent-events.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startListeningApp, type ListeningApp } from '../testkit/app/listening-app.ts';
import { pushOf } from './refused.ts';
import {
  failureOf,
  finalFailure,
  note,
  ofKind,
  pushTexts,
  statusOf,
  retryableFailure,
} from './sent-events.ts';

const maxEventBytes = 2000;
const kinds = [...bundledKinds, ...documentKinds('doc')];

let wire: ListeningApp;
beforeAll(async () => {
  wire = await startListeningApp({ kinds, env: { MAX_EVENT_BYTES: `${maxEventBytes}` } });
});
afterAll(() => wire.close());

describe('bad input: one event over `MAX_EVENT_BYTES`; unknown kind; unknown version', () => {
  test.each([
    ['characters', note(`"${'x'.repeat(maxEventBytes)}"`)],
    ['bytes of few characters', note(`"${'é'.repeat(maxEventBytes / 2)}"`)],
    ['of an unknown kind', ofKind('"none"', `"${'x'.repeat(maxEventBytes)}"`)],
  ])('over the maximum: %s', async (_what, event) => {
    expect(await failureOf(wire, event)).toEqual(finalFailure('EVENT_TOO_LARGE'));
  });

  test('white space and the identityKey do not count for the size of an event', async () => {
    const spaced = note('"a"').replace(':', `:${' '.repeat(maxEventBytes)}`);
    expect(await statusOf(wire, spaced)).toBe('applied');
  });

  test.each([
    'note.puts',
    'Note.put',
    'note.put ',
    '',
    'constructor',
    'toString',
    'hasOwnProperty',
    "note.put'; DROP TABLE events; --",
    '../note.put',
    'x'.repeat(1000),
  ])('an unknown kind: %j', async (kind) => {
    const event = ofKind(JSON.stringify(kind), '{}');
    expect(await failureOf(wire, event)).toEqual(retryableFailure('UNKNOWN_KIND', 'kind'));
  });

  test.each(['2', '9007199254740991'])('a version that is too new: %s', async (version) => {
    const event = note('""', `,"version":${version}`);
    expect(await failureOf(wire, event)).toEqual(
      retryableFailure('UNSUPPORTED_VERSION', 'version'),
    );
  });
});

describe('an event that is invalid for its envelope or its kind', () => {
  test.each([
    ['no kind', '{"identityKey":"k","payload":{}}', 'kind'],
    ['a kind that is a number', ofKind('1', '{}'), 'kind'],
    ['a kind that is a list of one', ofKind('["note.put"]', '{}'), 'kind'],
    ['no payload', '{"identityKey":"k","kind":"note.put"}', 'payload'],
    ['a tenant that is no name', note('""', ',"tenant":""'), 'tenant'],
    ['a subject that is no name', note('""', ',"subject":7'), 'subject'],
    ['an unknown field', note('""', ',"id":"x"'), 'id'],
    ['a field that every object has', note('""', ',"toString":1'), 'toString'],
    ['a field of 1000 characters', note('""', `,"${'x'.repeat(1000)}":1`), `${'x'.repeat(500)}…`],
    ['a version of 0', note('""', ',"version":0'), 'version'],
    ['a version of 1.5', note('""', ',"version":1.5'), 'version'],
    ['a version that is a text', note('""', ',"version":"1"'), 'version'],
    ['a negative baseVersion', note('""', ',"baseVersion":-1'), 'baseVersion'],
    ['a baseVersion that is a text', note('""', ',"baseVersion":"0"'), 'baseVersion'],
    ['a baseKey of two dots', note('""', ',"baseKey":".."'), 'baseKey'],
    ['an empty baseKey', note('""', ',"baseKey":""'), 'baseKey'],
    ['both bases', note('""', ',"baseVersion":0,"baseKey":"a"'), 'baseKey'],
    ['itself as its base', note('""', ',"baseKey":"k"'), 'baseKey'],
    ['a sequence of 0', note('""', ',"sequence":0'), 'sequence'],
    ['no sequence where its kind needs one', ofKind('"ticket.opened"', '{}'), 'sequence'],
  ])('INVALID_EVENT: %s', async (_what, event, path) => {
    expect(await failureOf(wire, event)).toEqual(finalFailure('INVALID_EVENT', path));
  });

  test.each(['null', '5', '"event"', '[]', 'true', '{}'])(
    'INVALID_EVENT without a key, named by its index: %s',
    async (event) => {
      const answer = await pushTexts(wire, await createTenant(wire.service), note('""'), event);
      expect(answer.processed).toEqual(['k']);
      expect(answer.failed).toMatchObject([
        { identityKey: null, index: 1, code: 'INVALID_EVENT', retryable: false },
      ]);
    },
  );

  test.each([
    ['null', ofKind('"note.put"', 'null'), 'payload'],
    ['an array', ofKind('"note.put"', '[]'), 'payload'],
    ['a text', ofKind('"note.put"', '"{}"'), 'payload'],
    ['a field missing', ofKind('"note.put"', '{"noteId":"n","title":""}'), 'payload.body'],
    ['a field unknown', ofKind('"note.remove"', '{"noteId":"n","x":1}'), 'payload.x'],
    ['nothing to patch', ofKind('"note.patch"', '{"noteId":"n"}'), 'payload'],
    ['an empty id', ofKind('"note.remove"', '{"noteId":""}'), 'payload.noteId'],
    ['an id with a line break', ofKind('"note.remove"', '{"noteId":"a\\nb"}'), 'payload.noteId'],
    ['an id of two dots', ofKind('"note.remove"', '{"noteId":".."}'), 'payload.noteId'],
    ['an id of a joiner', ofKind('"note.remove"', '{"noteId":"\\u200d"}'), 'payload.noteId'],
    ['a text too long', note(`"${'x'.repeat(501)}"`), 'payload.title'],
    ['a text that is an object', note('{"toString":"x"}'), 'payload.title'],
  ])('INVALID_PAYLOAD: %s', async (_what, event, path) => {
    expect(await failureOf(wire, event)).toEqual(finalFailure('INVALID_PAYLOAD', path));
  });
});

describe('bad input: SQL or log-injection text', () => {
  const hostile = [
    "'); DROP TABLE records; --",
    '"; UPDATE tenants SET head = 0; --',
    "\\'; $1 $$ %s {0} ${jndi:ldap://x} {{7*7}}",
    '</script><script>alert(1)</script>',
    '\r\n{"level":60,"msg":"forged"}\u001b[31m\u2028\u202e',
    '\ufeff \u00a0\u200b',
    'A\u030a \u00c5 \u212b',
    '\u{10ffff}\ufffe',
  ];

  test('is stored unchanged, in the log and in the record', async () => {
    const tenant = await createTenant(wire.service);
    const events = hostile.map((title, index) => putNote(`n${index}`, { title, body: title }));
    const { body } = await wire.send({ ...pushOf({ events }), sender: tenant.sender() });
    expect(body.failed).toEqual([]);
    const records = await tenant.records();
    expect(hostile.map((_text, index) => records.get(`n${index}`)?.data)).toEqual(
      hostile.map((text) => ({ title: text, body: text })),
    );
    const url = '/api/sync/entities/note/n0/events';
    const history = await wire.send({ url, sender: tenant.sender() });
    expect(history.body.events).toMatchObject([{ payload: events[0]?.payload }]);
  });

  test('is accepted as the name of an entity, an event and a device', async () => {
    const tenant = await createTenant(wire.service);
    const ids = ["' OR ''='", '%', '_', '*', '...', 'constructor', '__proto__', 'a,b', '{"a":1}'];
    const events = ids.map((id) => ({ ...putNote(id, { title: id }), identityKey: `key ${id}` }));
    const sender = tenant.sender("d'; --");
    const { body } = await wire.send({ ...pushOf({ events }), sender });
    expect(body.failed).toEqual([]);
    const records = [...(await tenant.records()).values()];
    expect(records.map(({ entityId, origin }) => [entityId, origin.identityKey])).toEqual(
      ids.map((id) => [id, `key ${id}`]),
    );
    expect(new Set(records.map(({ origin }) => origin.deviceId))).toEqual(new Set(["d'; --"]));
    for (const id of ids) {
      const entity = encodeURIComponent(id).replaceAll('.', '%2E');
      const url = `/api/sync/entities/note/${entity}/events`;
      const history = await wire.send({ url, sender: tenant.sender() });
      expect(history.body.events).toMatchObject([{ identityKey: `key ${id}`, entityId: id }]);
    }
  });

  test('no log line contains a payload, a tenant, a key or a checkpoint', async () => {
    const tenant = await createTenant(wire.service);
    const secret = 'a text that only its owner may read';
    const event = putNote('n1', { title: secret }, { identityKey: `key ${secret}` });
    const events = [event, { ...event, kind: secret }, { [secret]: secret }];
    const { body } = await wire.send({ ...pushOf({ events }), sender: tenant.sender() });
    const sender = tenant.sender();
    await wire.send({ url: `/api/sync/changes?since=${body.checkpoint}`, sender });
    const log = JSON.stringify(wire.service.logLines);
    expect(wire.service.logLines.length).toBeGreaterThan(0);
    for (const hidden of [secret, tenant.id, body.checkpoint]) expect(log).not.toContain(hidden);
  });
});
