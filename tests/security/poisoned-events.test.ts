import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { documentKinds } from '../testkit/kinds/document-kinds.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startListeningApp, type ListeningApp } from '../testkit/app/listening-app.ts';
import { pushOf } from './refused.ts';

/*
 * Invalid events that once failed the whole request. Each is sent in the middle of a batch, in each dialect.
 * The valid events of the batch are stored unchanged, and the answer names the invalid one with its path.
 */

const kinds = [...bundledKinds, ...documentKinds('doc')];

let wire: ListeningApp;
beforeAll(async () => {
  wire = await startListeningApp({ kinds });
});
afterAll(() => wire.close());

interface Dialect {
  readonly name: string;
  readonly url: string;
  readonly bodyOf: (events: string) => string;
  /** @param value of a field of the payload, as JSON text @param rest members beside the payload, as JSON text */
  readonly eventOf: (key: string, value: string, rest?: string) => string;
  readonly keyName: string;
  /** The path of the field with the value. */
  readonly path: string;
}

const sync = '/api/sync/events';
const enveloped = (events: string) => `{"sentAt":null,"events":[${events}]}`;
const docOf = (key: string, value: string) => `"id":"d-${key}","fields":{"a":${value}}`;

const dialects: readonly Dialect[] = [
  {
    name: 'plain',
    url: sync,
    bodyOf: enveloped,
    eventOf: (key, value, rest = '') =>
      `{"identityKey":"${key}","kind":"doc.put","payload":{${docOf(key, value)}}${rest}}`,
    keyName: 'identityKey',
    path: 'payload.fields.a',
  },
  {
    name: 'a bare array',
    url: sync,
    bodyOf: (events) => `[${events}]`,
    eventOf: (key, value, rest = '') =>
      `{"kind":"doc.put","payload":{"identityKey":"${key}",${docOf(key, value)}}${rest}}`,
    keyName: 'kind',
    path: 'payload.fields.a',
  },
  {
    name: 'with request ids',
    url: sync,
    bodyOf: enveloped,
    eventOf: (key, value, rest = '') =>
      `{"clientRequestId":"${key}","kind":"doc.put","payload":{${docOf(key, value)}}${rest}}`,
    keyName: 'clientRequestId',
    path: 'payload.fields.a',
  },
  {
    name: 'sales',
    url: '/api/events',
    bodyOf: enveloped,
    eventOf: (key, value, rest = '') =>
      `{"id":"${key}","seq":1,"at":0,"type":"ticket.opened","aggregate":{"id":"t-${key}","type":"ticket"},"payload":{"register":${value}}${rest}}`,
    keyName: 'id',
    path: 'payload.register',
  },
];

/** A placeholder for bytes that are not UTF-8. */
const invalid = '§';

/** A value of the valid events. It has U+FFFD, to which decoders change invalid bytes. */
const neighbour = '"\uFFFD é \u{10FFFF}"';

async function push(dialect: Dialect, event: string) {
  const tenant = await createTenant(wire.service);
  const events = [dialect.eventOf('g1', neighbour), event, dialect.eventOf('g2', neighbour)];
  const [head = '', ...tail] = dialect.bodyOf(events.join(',')).split(invalid);
  const parts = tail.flatMap((text) => [Buffer.from([0xff, 0xe2, 0x82]), Buffer.from(text)]);
  const request = pushOf(Buffer.concat([Buffer.from(head), ...parts]));
  const sender = { ...tenant.sender(), subject: 'ada' };
  const { status, body } = await wire.send({ ...request, url: dialect.url, sender });
  expect(status).toBe(200);
  return { tenant, body };
}

async function failureOf(dialect: Dialect, event: string) {
  const { tenant, body } = await push(dialect, event);
  expect(body.processed).toEqual(['g1', 'g2']);
  expect(await tenant.log()).toMatchObject([{ identityKey: 'g1' }, { identityKey: 'g2' }]);
  const records = [...(await tenant.records()).values()];
  expect(records.map(({ data }) => data?.a ?? data?.register)).toEqual(
    Array.from({ length: 2 }, () => JSON.parse(neighbour)),
  );
  expect(body.failed).toHaveLength(1);
  const [{ code, path, retryable, index, identityKey, id }] = body.failed;
  const key: unknown = identityKey === undefined ? id : identityKey;
  return { code, path, retryable, named: key === null ? index : key };
}

const failedAlone = (code: string, path: unknown, named: unknown = 'bad') => ({
  code,
  path,
  retryable: false,
  named,
});
const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
const below = (path: string) => expect.stringMatching(`^${path.replaceAll('.', '\\.')}(\\.0)+$`);

describe.each(dialects)('$name', (dialect) => {
  const { eventOf, path, keyName } = dialect;
  const levelsAbove = path.split('.').length;

  describe('bad input: in one event depth over 32, `__proto__`, `constructor.prototype`', () => {
    test.each([
      ['__proto__', '{"__proto__":{"a":1}}', '__proto__'],
      ['__proto__ of null', '{"__proto__":null}', '__proto__'],
      ['__proto__ with escapes', '{"\\u005f_proto\\u005f_":{"a":1}}', '__proto__'],
      ['__proto__ deep inside', '[{"b":{"__proto__":[]}}]', '0.b.__proto__'],
      ['constructor.prototype', '{"constructor":{"prototype":{"a":1}}}', 'constructor'],
      ['… with escapes', '{"c\\u006fnstructor":{"\\u0070rototype":{}}}', 'constructor'],
    ])('in its payload: %s', async (_what, value, at) => {
      const failure = await failureOf(dialect, eventOf('bad', value));
      expect(failure).toEqual(failedAlone('INVALID_PAYLOAD', `${path}.${at}`));
      expect(Object.prototype).not.toHaveProperty('a');
    });

    test.each([33, 100, 100_000])('in its payload: %d levels', async (levels) => {
      const failure = await failureOf(dialect, eventOf('bad', nested(levels - levelsAbove)));
      expect(failure).toEqual(failedAlone('INVALID_PAYLOAD', below(path)));
    });

    test('in its payload: 32 levels are passed to the kind', async () => {
      const { body } = await push(dialect, eventOf('bad', nested(32 - levelsAbove)));
      for (const { code, path: at } of body.failed)
        expect([code, at]).toEqual(['INVALID_PAYLOAD', path]);
    });

    test.each([
      ['__proto__', ',"__proto__":{"a":1}', '__proto__'],
      ['constructor.prototype', ',"constructor":{"prototype":{"a":1}}', 'constructor'],
      ['33 levels', `,"x":${nested(32)}`, below('x')],
      ['100,000 levels', `,"x":${nested(100_000)}`, below('x')],
    ])('around its payload: %s', async (_what, rest, at) => {
      const failure = await failureOf(dialect, eventOf('bad', '""', rest));
      expect(failure).toEqual(failedAlone('INVALID_EVENT', at));
    });
  });

  describe('bad input: in one event bytes that are not UTF-8', () => {
    test.each([
      ['a text of its payload', eventOf('bad', `"a${invalid}"`), path],
      [
        'a text with halves of pairs beside them',
        eventOf('bad', `"\\ud83d${invalid}\\ude00"`),
        path,
      ],
      ['a name in its payload', eventOf('bad', `{"a${invalid}":1}`), path],
      ['a text around its payload', eventOf('bad', '""', `,"x":"${invalid}"`), 'x'],
      ['more than one', eventOf('bad', `["","${invalid}"]`, `,"x":"${invalid}"`), `${path}.1`],
    ])('in %s', async (_what, event, at) => {
      expect(await failureOf(dialect, event)).toEqual(failedAlone('INVALID_TEXT', at));
    });

    test('in its key: named by its index', async () => {
      const failure = await failureOf(dialect, eventOf(`bad${invalid}`, '""'));
      expect(failure).toMatchObject({ code: 'INVALID_TEXT', named: 1 });
    });
  });

  describe('bad input: in one event a member twice', () => {
    test.each([
      ['an unknown field', ',"x":1,"x":2', 'x'],
      ['the payload', ',"payload":{}', 'payload'],
      ['the version, the same', ',"version":1,"version":1', 'version'],
      ['the version, once with escapes', ',"version":1,"v\\u0065rsion":2', 'version'],
    ])('%s', async (_what, rest, at) => {
      // The key of this dialect is in the payload, and the last payload has none.
      const key = dialect.name === 'a bare array' && at === 'payload' ? 1 : 'bad';
      const failure = await failureOf(dialect, eventOf('bad', '""', rest));
      expect(failure).toEqual(failedAlone('INVALID_EVENT', at, key));
    });

    test('its key', async () => {
      const named = dialect.name === 'a bare array' ? 'bad' : 1;
      const failure = await failureOf(dialect, eventOf('bad', '""', `,"${keyName}":"k2"`));
      expect(failure).toEqual(failedAlone('INVALID_EVENT', keyName, named));
    });
  });

  test.each(['.', '..', 'a\\u200bb'])(
    'a key that is invisible or no path segment: %s',
    async (key) => {
      const at = dialect.name === 'a bare array' ? 'payload.identityKey' : keyName;
      const failure = await failureOf(dialect, eventOf(key, '"r"'));
      expect(failure).toEqual(failedAlone('INVALID_EVENT', at, 1));
    },
  );

  describe('bad input: an event of another tenant or subject', () => {
    test.each([
      ['tenant', '"t2"'],
      ['subject', '"bob"'],
    ])('%s', async (name, other) => {
      const failure = await failureOf(dialect, eventOf('bad', '"r"', `,"${name}":${other}`));
      expect(failure).toEqual(failedAlone('WRONG_ACCOUNT', name));
    });

    test('an event with its own account, or without one, is accepted', async () => {
      const named = ',"tenant":null,"subject":"ada"';
      expect((await push(dialect, eventOf('own', '"r"', named))).body.failed).toEqual([]);
    });
  });
});

test('an event for an account is refused with another token, and stored later with its own token', async () => {
  const [mine, theirs] = [await createTenant(wire.service), await createTenant(wire.service)];
  const queued = { ...JSON.parse(dialects[0]?.eventOf('k', '"r"') ?? ''), tenant: mine.id };
  const send = (sender: object) =>
    wire.send({ ...pushOf({ events: [queued], atomic: true }), sender: { tenant: '', ...sender } });
  const wrong = await send(theirs.sender());
  expect(wrong.body).toMatchObject({ processed: [], failed: [{ code: 'WRONG_ACCOUNT' }] });
  expect((await send(mine.sender())).body).toMatchObject({ processed: ['k'], failed: [] });
  // The account is no part of the fingerprint. Without it, the event is a duplicate.
  const { tenant: _tenant, ...plain } = queued;
  const again = await wire.send({ ...pushOf({ events: [plain] }), sender: mine.sender() });
  expect(again.body).toMatchObject({ processed: ['k'], failed: [] });
  expect(await mine.log()).toHaveLength(1);
});
