import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { documentKinds } from '../testkit/kinds/document-kinds.ts';
import { putNote } from '../testkit/events/sent-events.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startListeningApp, type ListeningApp } from '../testkit/app/listening-app.ts';
import {
  at,
  doc,
  failureOf,
  finalFailure,
  key,
  note,
  ofKind,
  pushTexts,
  statusOf,
} from './sent-events.ts';

const kinds = [...bundledKinds, ...documentKinds('doc')];

let wire: ListeningApp;
beforeAll(async () => {
  wire = await startListeningApp({ kinds });
});
afterAll(() => wire.close());

describe('bad input: identityKey empty, over 200, with control or invisible characters, `.`, `..`', () => {
  test.each([
    ['empty', '""'],
    ['of 201 characters', `"${'k'.repeat(201)}"`],
    ['of 201 emoji', `"${'\u{1F600}'.repeat(201)}"`],
    ['with a line break', '"a\\nb"'],
    ['with DEL', '"a\\u007fb"'],
    ['with a C1 control', '"a\\u0085b"'],
    ['with a line separator', '"a\\u2028b"'],
    ['with a zero width space', '"a\\u200b"'],
    ['with a joiner', '"a\\u200db"'],
    ['with a byte order mark', '"\\ufeffa"'],
    ['with a mark of direction', '"a\\u202eb"'],
    ['with a variation selector', '"\\u2764\\ufe0f"'],
    ['of a filler', '"\\u3164"'],
    ['of a braille blank', '"\\u2800"'],
    ['with an annotation mark', '"a\\ufff9b"'],
    ['of a dot', '"."'],
    ['of two dots', '".."'],
    ['of two dots, one with an escape', '".\\u002e"'],
    ["of the server's own", '"landfall:resolution:1"'],
    ['a number', '5'],
    ['null', 'null'],
    ['an object', '{}'],
  ])('%s', async (_what, identityKey) => {
    expect(await failureOf(wire, key(identityKey))).toEqual(
      finalFailure('INVALID_EVENT', 'identityKey'),
    );
  });

  test('a key of 200 characters is accepted, also of several bytes each', async () => {
    expect(await statusOf(wire, key(`"${'\u{1F600}'.repeat(200)}"`))).toBe('applied');
  });
});

describe('bad input: the same key with another payload', () => {
  test.each([
    ['another payload', note('"b"')],
    ['another time', note('"a"', ',"occurredAt":"2026-01-01T00:00:00Z"')],
    ['a precondition more', note('"a"', ',"baseVersion":0')],
    ['another kind', ofKind('"note.remove"', '{"noteId":"n1"}')],
  ])('%s, later and in the same batch', async (_what, reused) => {
    const tenant = await createTenant(wire.service);
    const first = await pushTexts(wire, tenant, note('"a"'), reused);
    const later = await pushTexts(wire, tenant, reused);
    for (const { failed: refusals } of [first, later]) {
      expect(refusals).toMatchObject([{ code: 'IDENTITY_KEY_REUSED', retryable: false }]);
    }
    expect(await tenant.log()).toHaveLength(1);
    expect(await tenant.record('n1')).toMatchObject({ data: { title: 'a' } });
  });
});

test('a resend is a duplicate, also if its time is written differently or null replaces a missing field', async () => {
  const tenant = await createTenant(wire.service);
  const rest = ',"baseKey":null,"sequence":null,"version":null,"subject":null,"tenant":null';
  const first = note('"a"', ',"occurredAt":"2026-01-01T00:00:00Z"');
  expect((await pushTexts(wire, tenant, first)).processed).toEqual(['k']);
  for (const time of ['00.000Z', '00+00:00', '00z', '00.0000001Z', '00-00:00']) {
    const again = note('"a"', `,"occurredAt":"2026-01-01T00:00:${time}"${rest}`);
    const { results } = await pushTexts(wire, tenant, again);
    expect(results).toMatchObject([{ status: 'duplicate', original: 'applied', version: 1 }]);
  }
});

describe('bad input: `\\u0000` in a value or a key; a lone surrogate', () => {
  test.each([
    ['U+0000', note('"a\\u0000b"'), 'payload.title'],
    ['a high surrogate alone', note('"\\ud83d"'), 'payload.title'],
    ['a low surrogate alone', note('"a\\ude00b"'), 'payload.title'],
    ['surrogates in the wrong order', note('"\\ude00\\ud83d"'), 'payload.title'],
    ['U+0000 in the name of a field', doc('{"a\\u0000":1}'), 'payload.fields'],
    ['half a pair in the name of a field', doc('{"\\udfff":1}'), 'payload.fields'],
    ['U+0000 in the kind', ofKind('"note.put\\u0000"', '{}'), 'kind'],
    ['U+0000 in the key', key('"k\\u0000"'), 'identityKey'],
    ['under an unknown name', note('""', ',"x":"\\u0000"'), 'x'],
  ])('%s', async (_what, event, path) => {
    expect(await failureOf(wire, event)).toEqual(finalFailure('INVALID_TEXT', path));
  });

  test('a surrogate pair is accepted', async () => {
    expect(await statusOf(wire, note('"\\ud83d\\ude00"'))).toBe('applied');
  });
});

describe('bad input: 1e400; an integer over 2^53−1', () => {
  test.each([
    ['1e400'],
    ['-1e400'],
    ['9007199254740992'],
    ['-9007199254740993'],
    ['100000000000000000000000000001'],
    ['1e21'],
    ['1.7976931348623157e308'],
  ])('%s', async (number) => {
    const refusal = finalFailure('INVALID_NUMBER', 'payload.fields.a');
    expect(await failureOf(wire, doc(`{"a":${number}}`))).toEqual(refusal);
  });

  test.each(['9007199254740991', '-9007199254740991', '0.1', '1.5e-300', '-0', '5e-324', '1e-400'])(
    'the number %s is accepted',
    async (number) => {
      expect(await statusOf(wire, doc(`{"a":${number}}`))).toBe('applied');
    },
  );
});

describe('bad input: 30 February, no zone, year 0 or 275760', () => {
  test.each([
    ['30 February', '"2026-02-30T00:00:00Z"'],
    ['29 February of no leap year', '"2026-02-29T00:00:00Z"'],
    ['month 13', '"2026-13-01T00:00:00Z"'],
    ['hour 25', '"2026-01-01T25:00:00Z"'],
    ['second 60 in the middle of a month', '"2026-06-15T23:59:60Z"'],
    ['second 60 at noon', '"2026-06-30T12:00:60Z"'],
    ['second 61', '"2026-06-30T23:59:61Z"'],
    ['a comma before the fraction', '"2026-06-30T23:59:59,5Z"'],
    ['a zone of 24 hours', '"2026-01-01T00:00:00+24:00"'],
    ['no zone', '"2026-01-01T00:00:00"'],
    ['a date only', '"2026-01-01"'],
    ['a word', '"now"'],
    ['an empty text', '""'],
    ['a number', '1732183200000'],
    ['digits of another script', '"\\u0662026-01-01T00:00:00Z"'],
    ['the year 0', '"0000-01-01T00:00:00Z"'],
    ['the year 275760', '"+275760-09-13T00:00:00Z"'],
    ['the year 1899', '"1899-12-31T23:59:59.999Z"'],
    ['the year 1899 by its zone', '"1900-01-01T00:00:00+00:01"'],
    ['the year 2200', '"2200-01-01T00:00:00Z"'],
    ['the year 2200 by its zone', '"2199-12-31T23:59:59-00:01"'],
  ])('%s', async (_what, time) => {
    expect(await failureOf(wire, at(time))).toEqual(
      finalFailure('INVALID_TIMESTAMP', 'occurredAt'),
    );
  });

  test.each([
    '"1900-01-01T00:00:00Z"',
    '"2024-02-29T23:59:59Z"',
    '"2026-01-01T00:00:00.123456789Z"',
    '"2026-01-01T00:00:00-12:00"',
    '"2026-01-01t00:00:00z"',
    '"2026-01-01 00:00:00Z"',
    '"2016-12-31T23:59:60Z"',
    '"2016-12-31t23:59:60.5z"',
    'null',
  ])('the time %s is accepted', async (time) => {
    expect(await statusOf(wire, at(time))).toBe('applied');
  });
});

describe('bad input: occurredAt in the future', () => {
  test.each(['"2199-12-31T23:59:59.999999Z"', '"2100-01-01T00:00:00+14:00"'])(
    '%s is processed with the time of receipt, and a later event wins over it',
    async (time) => {
      expect(await statusOf(wire, at(time))).toBe('adjusted');
      const tenant = await createTenant(wire.service);
      await pushTexts(wire, tenant, at(time));
      await pushTexts(wire, tenant, note('"later"').replace('"k"', '"k2"'));
      expect(await tenant.record('n1')).toMatchObject({ data: { title: 'later' } });
    },
  );
});

describe('bad input: older than `MAX_EVENT_AGE`', () => {
  const ancient = putNote('n1', { title: 'A' }, { occurredAt: '1900-01-01T00:00:00Z' });

  test('fails alone, by the client’s own clock, unless it was stored before', async () => {
    const { service } = wire;
    const tenant = await createTenant(service);
    expect(await tenant.pushStatuses([ancient])).toEqual(['applied']);
    const { database } = service;
    const strict = await startListeningApp({ kinds, env: { MAX_EVENT_AGE: '1d' }, database });
    const there = await createTenant(strict.service);
    const sender = there.sender();
    const url = '/api/sync/events?include=results';
    const said = (body: object) => strict.send({ method: 'POST', url, body, sender });
    const old = { ...ancient, identityKey: 'old' };
    expect((await said({ events: [old, putNote('n3')] })).body.failed).toMatchObject([
      { identityKey: 'old', code: 'EVENT_TOO_OLD', retryable: false },
    ]);
    expect(await there.log()).toHaveLength(1);
    // On the client's own clock, the event happened a minute before the push.
    const slow = putNote('n2', {}, { occurredAt: '1999-12-31T23:59:00Z' });
    const { body } = await said({ events: [slow], sentAt: '2000-01-01T00:00:00Z' });
    expect(body.results).toMatchObject([{ status: 'applied' }]);
    // A stored event is a duplicate, however late the client sends it again.
    const replay = await strict.send({
      method: 'POST',
      url,
      body: { events: [ancient] },
      sender: tenant.sender(),
    });
    expect(replay.body.results).toMatchObject([{ status: 'duplicate', original: 'applied' }]);
    await strict.close();
  });
});
