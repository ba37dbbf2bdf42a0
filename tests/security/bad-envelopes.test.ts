import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startListeningApp, type ListeningApp } from '../testkit/app/listening-app.ts';
import { bodyPaths, sendValidPush, pushOf, refused, refusedEverywhere } from './refused.ts';

const maxEvents = 5;

let wire: ListeningApp;
beforeAll(async () => {
  wire = await startListeningApp({ env: { MAX_BATCH_EVENTS: `${maxEvents}` } });
});
afterAll(() => wire.close());

async function newTenant() {
  const tenant = await createTenant(wire.service);
  return { tenant, sender: tenant.sender() };
}

const batch = JSON.stringify({ events: [putNote('n1')] });
const envelope = (fields: object) => JSON.stringify({ events: [putNote('n1')], ...fields });
const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

describe('bad input: empty, truncated, NaN, trailing comma; outside the events `__proto__`, `constructor.prototype`, a member twice', () => {
  test.each<[what: string, body: string | Buffer]>([
    ['empty', ''],
    ['white space', ' \n'],
    ['cut off', batch.slice(0, -1)],
    ['more behind it', `${batch} ${batch}`],
    ['a trailing comma', '{"events":[1,]}'],
    ['NaN', '{"events":[NaN]}'],
    ['Infinity', '{"events":[Infinity]}'],
    ['a number in hexadecimal', '{"events":[0x10]}'],
    ['a number with a leading zero', '{"events":[01]}'],
    ['single quotes', "{'events':[]}"],
    ['no quotes', '{events:[]}'],
    ['a comment', '{"events":[] /* none */}'],
    ['a line break in a text', '{"events":["a\nb"]}'],
    ['U+0000 in a text', '{"events":["a\u0000b"]}'],
    ['half an escape', '{"events":["\\u12"]}'],
    ['opening brackets only', '['.repeat(4000)],
    ['a form', 'events=1'],
    ['UTF-16', Buffer.from(batch, 'utf16le')],
    ['__proto__', '{"events":[],"__proto__":{"a":1}}'],
    ['__proto__ deep inside', '{"events":[],"x":[{"payload":{"__proto__":{"a":1}}}]}'],
    ['__proto__ with escapes', '{"events":[],"\\u005f_proto__":{}}'],
    ['__proto__ of null', '{"events":[],"__proto__":null}'],
    ['__proto__ where events would be a list', '{"events":{"__proto__":{"a":1}}}'],
    ['constructor.prototype', '{"events":[],"constructor":{"prototype":{"a":1}}}'],
    ['… with escapes', '{"c\\u006fnstructor":{"\\u0070rototype":{}},"events":[]}'],
    ['events twice', '{"events":[{}],"events":[]}'],
    ['sentAt twice, the same', '{"sentAt":null,"events":[{}],"sentAt":null}'],
    ['a name twice, once with escapes', '{"\\u0065vents":[{}],"events":[{}]}'],
    ['an unknown field twice', '{"x":1,"x":2}'],
  ])('%s', async (_what, body) => {
    expect(await refusedEverywhere(wire, pushOf(body))).toEqual({
      status: 400,
      code: 'INVALID_JSON',
    });
    expect(Object.prototype).not.toHaveProperty('a');
  });

  test.each(bodyPaths)('no body at all: %s', async (url) => {
    expect(await refused(wire, { method: 'POST', url })).toEqual({
      status: 400,
      code: 'INVALID_JSON',
    });
  });
});

describe('bad input: invalid UTF-8 outside the texts of events', () => {
  test.each<[what: string, bytes: readonly number[]]>([
    ['a byte that never is', [0xff]],
    ['half of a character', [0xe2, 0x82]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['an overlong NUL', [0xc0, 0x80]],
    ['a code point beyond the last', [0xf4, 0x90, 0x80, 0x80]],
    ['Latin-1', [0xe4]],
  ])('%s', async (_what, bytes) => {
    const invalid = Buffer.from(bytes);
    for (const [before, after] of [
      ['"', '"'],
      ['{"events":[{}],"sentAt":"', '"}'],
      ['{"', '":1}'],
      ['{"events":[{},', '{}]}'],
    ] as const) {
      const body = Buffer.concat([Buffer.from(before), invalid, Buffer.from(after)]);
      expect(await refusedEverywhere(wire, pushOf(body))).toEqual({
        status: 400,
        code: 'INVALID_UTF8',
      });
    }
  });
});

describe('bad input: depth over 32 outside the events', () => {
  test.each([
    ['33 objects', `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`],
    ['32 arrays in a field', `{"events":[{}],"a":${nested(32)}}`],
    ['2000 arrays in a field', `{"a":${nested(2000)}}`],
    ['events that are no list', `{"events":{"a":${nested(31)}}}`],
  ])('%s', async (_what, body) => {
    expect(await refusedEverywhere(wire, pushOf(body))).toEqual({ status: 400, code: 'TOO_DEEP' });
  });

  test('32 levels are accepted', async () => {
    const body = `{"events":[{}],"a":${nested(31)}}`;
    const refusal = { status: 400, code: 'INVALID_ENVELOPE', path: 'a' };
    expect(await refused(wire, pushOf(body))).toEqual(refusal);
  });
});

describe('bad input: top-level null or string; unknown envelope field', () => {
  test.each<[what: string, body: string, path?: string]>([
    ['null', 'null'],
    ['a text', '"events"'],
    ['a number', '5'],
    ['false', 'false'],
    ['no events', '{}', 'events'],
    ['events that are null', '{"events":null}', 'events'],
    ['events that are an object', '{"events":{"0":{}}}', 'events'],
    ['an unknown field', envelope({ mode: 'x' }), 'mode'],
    ['a field that every object has', envelope({ constructor: 1 }), 'constructor'],
    ['a field under an empty name', envelope({ '': 1 })],
    ['a word for atomic', envelope({ atomic: 'true' }), 'atomic'],
  ])('%s', async (_what, body, path) => {
    const refusal = { status: 400, code: 'INVALID_ENVELOPE', ...(path && { path }) };
    expect(await refused(wire, pushOf(body))).toEqual(refusal);
  });

  test.each<[what: string, body: string, path?: string]>([
    ['null', 'null'],
    ['no events', '{}', 'events'],
    ['null for events', '{"events":null}', 'events'],
    ['atomic, which it does not know', '{"events":[{}],"atomic":true}', 'atomic'],
  ])('in the sales dialect: %s', async (_what, body, path) => {
    const refusal = { status: 400, code: 'INVALID_ENVELOPE', ...(path && { path }) };
    expect(await refused(wire, { ...pushOf(body), url: '/api/events' })).toEqual(refusal);
  });

  test('a long unknown field name is shortened in the answer', async () => {
    const path = `${'x'.repeat(500)}…`;
    const refusal = { status: 400, code: 'INVALID_ENVELOPE', path };
    expect(await refused(wire, pushOf(envelope({ ['x'.repeat(3_000)]: 1 })))).toEqual(refusal);
  });
});

describe('bad input: a `sentAt` that cannot be read', () => {
  const sentAts = [
    1,
    true,
    {},
    [],
    '',
    'now',
    '2026-02-30T00:00:00Z',
    '2026-01-01T00:00:00',
    '2026-01-01T12:00:60Z',
    '1899-12-31T23:59:59Z',
    '2200-01-01T00:00:00Z',
    '\ud800',
  ];
  // The date of a clock that was never set.
  const event = { ...putNote('n1'), occurredAt: '1970-01-01T00:00:00Z' };

  test.each(['/api/sync/events', '/api/events'])(
    'on %s only the clock correction is missing',
    async (url) => {
      for (const sentAt of sentAts) {
        const body = { events: url === '/api/events' ? [{}] : [event], sentAt };
        const { tenant, sender } = await newTenant();
        const answer = await wire.send({ ...pushOf(body), url, sender });
        expect(answer).toMatchObject({ status: 200, body: { sentAtIgnored: true } });
        if (url === '/api/events') continue;
        const [stored] = await tenant.log();
        expect(stored).toMatchObject({ identityKey: event.identityKey, outcome: 'applied' });
        expect(stored?.effectiveAt).toBe(0);
      }
    },
  );

  test('a push without sentAt, with null, or with a time in lower case is accepted', async () => {
    for (const sentAt of [null, undefined, '1970-01-01t00:00:01z', '1970-01-01 00:00:01Z']) {
      const { sender } = await newTenant();
      const { status, body } = await wire.send({ ...pushOf({ events: [event], sentAt }), sender });
      expect(status).toBe(200);
      expect(body).not.toHaveProperty('sentAtIgnored');
    }
  });

  test('null in every other field of the request means that the field is missing', async () => {
    const answer = await sendValidPush(wire, envelope({ sentAt: null, atomic: null }));
    expect(answer).toMatchObject({ status: 200, body: { failed: [] } });
  });
});

describe('bad input: a tenant named in the body', () => {
  test.each(['tenant', 'tenantId', 'tenant_id'])('%s', async (name) => {
    const refusal = { status: 400, code: 'INVALID_ENVELOPE', path: name };
    expect(await refused(wire, pushOf(envelope({ [name]: 't2' })))).toEqual(refusal);
    expect(await wire.service.sql("SELECT 1 FROM tenants WHERE id = 't2'")).toEqual([]);
  });
});

describe('bad input: 0 events / over the maximum', () => {
  const events = Array.from({ length: maxEvents + 1 }, (_, at) => putNote(`n${at}`));

  test.each([
    ['/api/sync/events', '{"events":[]}'],
    ['/api/sync/events', '[]'],
    ['/api/events', '{"events":[]}'],
    ['/api/events', '[]'],
  ])('no events on %s: %s', async (url, body) => {
    expect(await refused(wire, { ...pushOf(body), url })).toEqual({
      status: 400,
      code: 'EMPTY_BATCH',
    });
  });

  test.each([
    ['/api/sync/events', { events }],
    ['/api/sync/events', events],
    [
      '/api/sync/events',
      {
        events: events.map(({ identityKey: clientRequestId, ...rest }) => ({
          clientRequestId,
          ...rest,
        })),
      },
    ],
    ['/api/events', { events }],
    ['/api/events', events],
  ])('one event too many on %s', async (url, body) => {
    const refusal = { status: 413, code: 'BATCH_TOO_LARGE', maxEvents };
    expect(await refused(wire, { ...pushOf(body), url })).toEqual(refusal);
  });

  test('the maximum of events is accepted', async () => {
    expect(await sendValidPush(wire, JSON.stringify({ events: events.slice(1) }))).toMatchObject({
      status: 200,
    });
  });
});
