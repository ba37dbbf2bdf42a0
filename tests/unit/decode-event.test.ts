import { bundledKinds } from '../../src/systems/bundled.ts';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { payload as versionsOf } from '../../src/domain/kinds/schema-versions.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import { createRegistry } from '../../src/domain/kinds/registry.ts';
import { type DecodedEvent, decodeEvent } from '../../src/domain/decide/decode-event.ts';
import { eventFingerprint } from '../../src/domain/event.ts';
import { personPut, stepPut } from './support/kinds.ts';
import { fc } from './support/property.ts';

const registry = createRegistry([...bundledKinds, personPut, stepPut]);
const maxEventBytes = 2_000;
const sender = { tenantId: 't1', subject: 'ada', scopes: [] };
const decode = (raw: unknown) => decodeEvent(raw, registry, { maxEventBytes, sender });

const note = {
  identityKey: 'device1-7',
  kind: 'note.put',
  version: 1,
  occurredAt: '2026-11-21T09:12:00.000Z',
  baseVersion: 41,
  sequence: 3,
  payload: { noteId: 'n1', title: 'Title', body: 'Body' },
};

function mustDecode(raw: unknown): DecodedEvent {
  const result = decode(raw);
  if (!result.ok) throw new Error(JSON.stringify(result.undecoded));
  return result.event;
}

describe('a valid event', () => {
  test('is decoded with its entity, its intent and its envelope', () => {
    expect(mustDecode(note)).toMatchObject({
      identityKey: 'device1-7',
      kind: 'note.put',
      kindVersion: 1,
      definition: { name: 'note.put', ordered: false },
      entityType: 'note',
      entityId: 'n1',
      intent: { policy: 'put', fields: { title: 'Title', body: 'Body' } },
      envelope: {
        occurredAt: Date.UTC(2026, 10, 21, 9, 12) * 1000,
        baseVersion: 41,
        baseKey: null,
        sequence: 3,
      },
    });
  });

  test('needs only a key, a kind and a payload', () => {
    const { identityKey, kind, payload } = note;
    expect(mustDecode({ identityKey, kind, payload })).toMatchObject({
      kindVersion: 1,
      envelope: { occurredAt: null, baseVersion: null, baseKey: null, sequence: null },
    });
  });

  test('is decoded in the same way if an optional field is null or not sent', () => {
    const { identityKey, kind, payload } = note;
    const { intent: _intent, ...least } = mustDecode({ identityKey, kind, payload });
    const optional = ['version', 'occurredAt', 'baseVersion', 'baseKey', 'sequence'];
    const names = [...optional, 'tenant', 'subject'];
    for (const some of [...names.map((name) => [name]), names]) {
      const nulls = Object.fromEntries(some.map((name) => [name, null]));
      expect(mustDecode({ identityKey, kind, payload, ...nulls })).toMatchObject(least);
    }
  });

  test('may name the tenant and the subject that it was queued for', () => {
    const least = mustDecode(note);
    const named = mustDecode({ ...note, tenant: 't1', subject: 'ada' });
    expect(named).toEqual({ ...least, intent: named.intent });
  });
});

describe('an invalid event fails alone, with a code and the path of the invalid field', () => {
  const { payload } = note;
  test.each([
    ['no key', { ...note, identityKey: undefined }, 'INVALID_EVENT', 'identityKey'],
    ['an empty key', { ...note, identityKey: '' }, 'INVALID_EVENT', 'identityKey'],
    ['a key too long', { ...note, identityKey: 'k'.repeat(201) }, 'INVALID_EVENT', 'identityKey'],
    ['a key of two lines', { ...note, identityKey: 'a\nb' }, 'INVALID_EVENT', 'identityKey'],
    ['a key with a joiner', { ...note, identityKey: 'a\u200db' }, 'INVALID_EVENT', 'identityKey'],
    ['the key .', { ...note, identityKey: '.' }, 'INVALID_EVENT', 'identityKey'],
    ['the key ..', { ...note, identityKey: '..' }, 'INVALID_EVENT', 'identityKey'],
    ['a key that is null', { ...note, identityKey: null }, 'INVALID_EVENT', 'identityKey'],
    ['the base ..', { ...note, baseVersion: null, baseKey: '..' }, 'INVALID_EVENT', 'baseKey'],
    [
      'the entity ..',
      { ...note, payload: { ...payload, noteId: '..' } },
      'INVALID_PAYLOAD',
      'payload.noteId',
    ],
    ['another tenant', { ...note, tenant: 't2' }, 'WRONG_ACCOUNT', 'tenant'],
    ['another subject', { ...note, subject: 'bob' }, 'WRONG_ACCOUNT', 'subject'],
    ['a tenant that is a number', { ...note, tenant: 1 }, 'INVALID_EVENT', 'tenant'],
    [
      'a prototype',
      { ...note, payload: JSON.parse('{"__proto__":1}') },
      'INVALID_PAYLOAD',
      'payload.__proto__',
    ],
    ['a prototype outside', JSON.parse('{"__proto__":1}'), 'INVALID_EVENT', '__proto__'],
    ['no kind', { ...note, kind: undefined }, 'INVALID_EVENT', 'kind'],
    ['no payload', { ...note, payload: undefined }, 'INVALID_EVENT', 'payload'],
    ['an unknown field', { ...note, color: 'red' }, 'INVALID_EVENT', 'color'],
    ['version 0', { ...note, version: 0 }, 'INVALID_EVENT', 'version'],
    ['sequence 0', { ...note, sequence: 0 }, 'INVALID_EVENT', 'sequence'],
    ['baseVersion and baseKey', { ...note, baseKey: 'device1-6' }, 'INVALID_EVENT', 'baseKey'],
    ['a negative baseVersion', { ...note, baseVersion: -1 }, 'INVALID_EVENT', 'baseVersion'],
    [
      'a day without time',
      { ...note, occurredAt: '2026-11-21' },
      'INVALID_TIMESTAMP',
      'occurredAt',
    ],
    ['no zone', { ...note, occurredAt: '2026-11-21T09:12:00' }, 'INVALID_TIMESTAMP', 'occurredAt'],
    ['a number for a time', { ...note, occurredAt: 1 }, 'INVALID_TIMESTAMP', 'occurredAt'],
    ['an unknown kind', { ...note, kind: 'note.fold' }, 'UNKNOWN_KIND', 'kind'],
    ['a kind named like a method', { ...note, kind: 'toString' }, 'UNKNOWN_KIND', 'kind'],
    ['a version that is too new', { ...note, version: 2 }, 'UNSUPPORTED_VERSION', 'version'],
    [
      'a payload field of another type',
      { ...note, payload: { ...payload, title: 7 } },
      'INVALID_PAYLOAD',
      'payload.title',
    ],
    [
      'an unknown payload field',
      { ...note, payload: { ...payload, colour: '' } },
      'INVALID_PAYLOAD',
      'payload.colour',
    ],
    ['a payload that is null', { ...note, payload: null }, 'INVALID_PAYLOAD', 'payload'],
    ['U+0000', { ...note, payload: { title: 'a\u0000' } }, 'INVALID_TEXT', 'payload.title'],
    ['half a pair', { ...note, payload: { title: '\uD83D' } }, 'INVALID_TEXT', 'payload.title'],
    ['2^53', { ...note, payload: { list: [1, 2 ** 53] } }, 'INVALID_NUMBER', 'payload.list.1'],
    ['infinity', { ...note, baseVersion: Infinity }, 'INVALID_NUMBER', 'baseVersion'],
    ['a kind that is null', { ...note, kind: null }, 'INVALID_EVENT', 'kind'],
    [
      'no sequence for an ordered kind',
      { identityKey: 's', kind: 'step.put', payload: { id: 's1' } },
      'INVALID_EVENT',
      'sequence',
    ],
  ])('%s', (_what, raw, code, path) => {
    const result = decode(raw);
    expect(result).toMatchObject({ ok: false, undecoded: { failure: { code, path } } });
  });

  test.each([
    ['an event that is larger than the limit', { ...note, payload: { body: 'x'.repeat(2_000) } }],
    ['nothing', null],
    ['a list', [note]],
    ['a text', 'note.put'],
    ['a text that the database cannot store', '\u0000'],
    ['a number that the database cannot store', JSON.parse('1e400')],
  ])('%s is invalid as a whole and has no path', (_what, raw) => {
    const result = decode(raw);
    expect(result.ok || result.undecoded.failure).toSatisfy((failure) => !('path' in failure));
  });

  test('the size is the number of bytes of the whole event without its key', () => {
    const { identityKey: _key, ...members } = note;
    const rest = { ...members, occurredAt: Date.parse(note.occurredAt) * 1000 };
    const room =
      maxEventBytes - JSON.stringify({ ...rest, payload: { ...payload, body: '' } }).length;
    const withBody = (body: string) => decode({ ...note, payload: { ...payload, body } });
    expect(withBody('x'.repeat(room)).ok).toBe(true);
    const tooLarge = { undecoded: { failure: { code: 'EVENT_TOO_LARGE' } } };
    expect(withBody('x'.repeat(room + 1))).toMatchObject(tooLarge);
    expect(withBody(`é${'x'.repeat(room - 1)}`)).toMatchObject(tooLarge);
  });

  test('the failure has the key of the event, or null if the key cannot be read', () => {
    expect(decode({ ...note, kind: 7 })).toMatchObject({ undecoded: { identityKey: 'device1-7' } });
    for (const raw of [{ ...note, identityKey: '\n' }, { ...note, identityKey: 7 }, 7, null]) {
      expect(decode(raw)).toMatchObject({ undecoded: { identityKey: null } });
    }
  });

  test('any JSON value in place of an event is decoded without an exception', () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.jsonValue()), (raw) => {
        expect(decode(raw).ok).toBe(false);
      }),
    );
  });

  test('any JSON value in place of a field is decoded without an exception', () => {
    const member = fc.constantFrom(...Object.keys(note), 'baseKey', 'noteId', 'title', '__proto__');
    fc.assert(
      fc.property(member, fc.oneof(fc.anything(), fc.jsonValue()), (name, value) => {
        const inPayload = { ...note, payload: { ...payload, [name]: value } };
        for (const raw of [{ ...note, [name]: value }, inPayload]) {
          const result = decode(raw);
          expect(result.ok || result.undecoded.failure.message).not.toBe('');
        }
      }),
    );
  });
});

test.each(['', 'x'.repeat(201), 'a\nb', '.', '..', 'a\u200b'])(
  'an entity id that is not a valid identifier fails, even if its kind accepts it: %j',
  (id) => {
    const payload = { id, first: 'Ada', last: 'Lovelace', language: 'en' };
    const result = decode({ identityKey: 'k1', kind: 'person.put', version: 3, payload });
    expect(result).toMatchObject({
      undecoded: { failure: { code: 'INVALID_PAYLOAD', path: 'payload' } },
    });
  },
);

describe('the fingerprint of the content', () => {
  const fingerprint = (raw: unknown) => {
    const event = mustDecode(raw);
    return eventFingerprint({ ...event, ...event.envelope }).toString('hex');
  };

  test('does not depend on the order of members, at any depth', () => {
    const turned = {
      payload: { body: 'Body', title: 'Title', noteId: 'n1' },
      ...Object.fromEntries(Object.entries(note).toReversed().slice(1)),
    };
    expect(Object.keys(turned)).not.toEqual(Object.keys(note));
    expect(fingerprint(turned)).toBe(fingerprint(note));
  });

  test('does not depend on the identityKey, nor on whether the default version was sent', () => {
    const { version: _version, ...rest } = note;
    expect(fingerprint({ ...rest, identityKey: 'another' })).toBe(fingerprint(note));
  });

  test('does not depend on the tenant and the subject that the event was queued for, nor on fields that are null', () => {
    const named = { ...note, tenant: 't1', subject: 'ada', baseKey: null };
    expect(fingerprint(named)).toBe(fingerprint(note));
    const { sequence: _sequence, ...without } = note;
    expect(fingerprint({ ...note, sequence: null })).toBe(fingerprint(without));
  });

  test('depends on the time of the event, and not on the notation of the time', () => {
    const ways = ['00Z', '00z', '00+00:00', '00.0Z', '00.000000Z', '00.0000004Z'];
    const times = ways.map((end) => `2026-11-21T09:12:${end}`);
    for (const occurredAt of [...times, '2026-11-21t10:12:00+01:00', '2026-11-21 09:12:00Z']) {
      expect(fingerprint({ ...note, occurredAt })).toBe(fingerprint(note));
    }
    const later = { ...note, occurredAt: '2026-11-21T09:12:00.000001Z' };
    expect(fingerprint(later)).not.toBe(fingerprint(note));
  });

  test('depends on every other field', () => {
    const { baseVersion: _base, ...withoutBase } = note;
    const { occurredAt: _occurred, ...withoutTime } = note;
    const { sequence: _sequence, ...withoutSequence } = note;
    const person = { ...note, kind: 'person.put', payload: { id: 'p', first: 'A', last: 'B' } };
    const others = [
      note,
      { ...note, payload: { ...note.payload, title: 'Another' } },
      { ...note, kind: 'note.patch' },
      { ...note, occurredAt: '2026-11-21T09:12:00.001Z' },
      withoutTime,
      { ...note, baseVersion: 42 },
      withoutBase,
      { ...withoutBase, baseKey: 'device1-6' },
      { ...note, sequence: 4 },
      withoutSequence,
      { ...person, version: 1, payload: { id: 'p', name: 'A B' } },
      { ...person, version: 2 },
    ];
    expect(new Set(others.map(fingerprint)).size).toBe(others.length);
  });

  test.each([
    ['every field', note, '1f4ea80af148336be24806cd24c126dbd345fc715848aa11c59e2b45b145d95d'],
    [
      'few fields and texts that JSON escapes',
      {
        identityKey: 'device1-7',
        kind: 'note.put',
        baseKey: 'device1-6',
        payload: { title: 'é " \\ \u2028 😀', body: '\u007f\n', noteId: 'ü' },
      },
      'a014a9d88b7e3c21c9568a7fe820595053405386f6a5d4f6aa7e1ad190b6d617',
    ],
  ])('of an event with %s is the one that the log holds', (_what, raw, stored) => {
    expect(fingerprint(raw)).toBe(stored);
  });
});

describe('a payload of an older version', () => {
  const base = { identityKey: 'p1', kind: 'person.put' };
  const newest = { first: 'Ada', last: 'Lovelace', language: 'en' };

  test.each([
    [1, { id: 'p', name: 'Ada Lovelace' }],
    [2, { id: 'p', first: 'Ada', last: 'Lovelace' }],
    [3, { id: 'p', ...newest }],
  ])(
    '%i is converted to the newest version, and the log has the payload as it was sent',
    (version, payload) => {
      const event = mustDecode({ ...base, version, payload });
      expect(event).toMatchObject({ kindVersion: version, entityId: 'p' });
      // Only version 3 knows the language. The other versions have a default for it.
      const unknown = version < 3 && { unknown: ['language'] };
      expect(event.intent).toEqual({ policy: 'put', fields: newest, ...unknown });
      expect(JSON.parse(event.payload)).toEqual(payload);
    },
  );

  test('is validated by its own schema, and a wrong upcast is an error of the kind', () => {
    const failure = { code: 'INVALID_PAYLOAD', path: 'payload.name' };
    const wrong = decode({ ...base, version: 1, payload: { id: 'p', first: 'A', last: 'B' } });
    expect(wrong).toMatchObject({ undecoded: { failure } });
    // It has no last name, which only version 3 requires.
    const lifted = decode({ ...base, version: 1, payload: { id: 'p', name: 'Ada' } });
    expect(lifted).toMatchObject({
      undecoded: {
        failure: { code: 'KIND_FAILED', message: 'person.put failed on this event' },
        fault: { message: expect.stringContaining('last: Too small') },
      },
    });
    expect(lifted).not.toHaveProperty('undecoded.failure.path');
  });

  const messageOf = (event: object) => {
    const result = decode({ ...base, ...event });
    return result.ok || result.undecoded.failure.message;
  };
  test('is assumed if the event has no version, and the failure says so', () => {
    expect(messageOf({ payload: { id: 'p', ...newest } })).toBe(
      'Invalid input: expected string, received undefined (read as version 1; the newest is 3)',
    );
    expect(messageOf({ payload: { id: 'p', name: 'Ada', age: 7 } })).toBe(
      'is not a known field (read as version 1; the newest is 3)',
    );
  });

  test('is not mentioned if the event has a version, or the kind has only one version', () => {
    const payload = { id: 'p', ...newest };
    expect(messageOf({ version: 1, payload })).not.toMatch(/read as/);
    expect(messageOf({ kind: 'note.put', payload: {} })).not.toMatch(/read as/);
    expect(messageOf({ version: 7, payload })).not.toMatch(/read as/);
  });
});

describe('an event that cannot be interpreted because of the server blocks', () => {
  const thrown = () => {
    throw new Error('a fault');
  };
  const schema = z.strictObject({ id: z.string() });
  const more = [
    defineKind({
      name: 'broken.policy',
      entityType: 'broken',
      payload: versionsOf(schema),
      entityId: ({ id }) => id,
      policy: put(thrown),
    }),
    defineKind({
      name: 'broken.id',
      entityType: 'broken',
      payload: versionsOf(schema),
      entityId: thrown,
      policy: put(() => ({})),
    }),
    defineKind({
      name: 'broken.number',
      entityType: 'broken',
      payload: versionsOf(schema),
      entityId: () => 7 as unknown as string,
      policy: put(thrown),
    }),
    defineKind({
      name: 'broken.upcast',
      entityType: 'lifted',
      payload: versionsOf(schema).next(schema, thrown),
      entityId: ({ id }) => id,
      policy: put(() => ({})),
    }),
    defineKind({
      name: 'Standalone',
      entityType: 'alone',
      payload: versionsOf(schema),
      entityId: ({ id }) => id,
      policy: put(() => ({})),
    }),
  ];
  const registryOfMore = createRegistry([...bundledKinds, stepPut, ...more]);
  const blockedBy = (kind: string, rest: object = {}) => {
    const raw = { identityKey: 'k', kind, payload: { id: 'x' }, ...rest };
    const result = decodeEvent(raw, registryOfMore, { maxEventBytes, sender });
    return result.ok ? undefined : result.undecoded.blocks;
  };

  test.each([
    ['its entity, if its policy throws', 'broken.policy', { entityType: 'broken', entityId: 'x' }],
    ['its entity type, if entityId throws', 'broken.id', { entityTypes: ['broken'] }],
    ['its entity type, if the id is not a text', 'broken.number', { entityTypes: ['broken'] }],
    ['its entity type, if an upcast throws', 'broken.upcast', { entityTypes: ['lifted'] }],
    ['its entity type, if its version is too new', 'note.put', { entityTypes: ['note'] }, 2],
    [
      'the entity types of kinds whose names start like its name',
      'note.archive',
      { entityTypes: ['note'] },
    ],
    ['all such entity types', 'broken.new', { entityTypes: ['broken', 'lifted'] }],
    ['nothing, if no other name starts like it', 'letter.put', { entityTypes: [] }],
    ['nothing, if its name has only one part', 'Standalones', { entityTypes: [] }],
    ['nothing, if its name is only the first part of other names', 'note', { entityTypes: [] }],
    ['nothing, for a name that every object inherits', 'constructor.put', { entityTypes: [] }],
  ])('%s', (_what, kind, blocked, version = 1) => {
    expect(blockedBy(kind, { version })).toEqual(blocked);
  });

  test.each([
    ['note.put', { payload: {} }],
    ['note.put', { occurredAt: 'never' }],
    ['step.put', {}],
  ])('nothing, if the event itself is invalid: %s %j', (kind, rest) => {
    expect(blockedBy(kind, rest)).toBeUndefined();
  });
});
