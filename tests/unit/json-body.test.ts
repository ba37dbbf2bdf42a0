import { describe, expect, test } from 'vitest';
import { RequestProblem } from '../../src/domain/errors.ts';
import { findUnsafeJson, findUnstorable } from '../../src/domain/json-value.ts';
import { parseJsonBody } from '../../src/protocol/json-body.ts';
import { fc } from './support/property.ts';

function refusal(body: Buffer | string): string {
  try {
    parseJsonBody(Buffer.from(body));
  } catch (error) {
    if (error instanceof RequestProblem) return error.code;
    throw error;
  }
  return 'none';
}

describe('a body', () => {
  test('can be any JSON value that sets no prototype and has no member twice', () => {
    const texts = fc.jsonValue({ maxDepth: 5 }).map((value) => JSON.stringify(value));
    const harmless = texts.filter((text) => !/"(__proto__|constructor)"/.test(text));
    fc.assert(
      fc.property(harmless, (text) => {
        const value = JSON.parse(text);
        expect(parseJsonBody(Buffer.from(text))).toEqual({ value, duplicateMembers: new Map() });
      }),
    );
  });

  test.each([
    ['empty', ''],
    ['blank', ' \n'],
    ['truncated', '{"events": ['],
    ['two values', '{}{}'],
    ['single quotes', "{'a': 1}"],
    ['a comma too many', '[1,]'],
    ['a number JSON does not have', '[NaN]'],
    ['a control character in a text', '"a\u0001"'],
  ])('that is %s is INVALID_JSON', (_what, text) => {
    expect(refusal(text)).toBe('INVALID_JSON');
  });

  test.each([
    ['Latin-1', [0x22, 0xe9, 0x22]],
    ['a truncated sequence', [0x22, 0xe2, 0x82, 0x22]],
    ['an overlong form', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate written as bytes', [0x22, 0xed, 0xa0, 0xbd, 0x22]],
    ['a code point beyond U+10FFFF', [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22]],
    ['UTF-16', [0xff, 0xfe, 0x22, 0x00]],
  ])('with %s is INVALID_UTF8, and no byte of it is replaced by U+FFFD', (_what, bytes) => {
    expect(refusal(Buffer.from(bytes))).toBe('INVALID_UTF8');
  });

  test('with every kind of UTF-8 is decoded exactly', () => {
    const text = 'aé€\u{1F600}\uFFFD';
    expect(parseJsonBody(Buffer.from(JSON.stringify(text))).value).toBe(text);
  });

  test('may start with a byte order mark', () => {
    expect(parseJsonBody(Buffer.from('\uFEFF[1]')).value).toEqual([1]);
  });

  test.each([
    ['a prototype', '{"__proto__": {"admin": true}}'],
    ['a prototype deep inside', '{"sentAt": [{"x": {"__proto__": 1}}]}'],
    ['a prototype in place of events', '{"events": {"0": {"__proto__": 1}}}'],
    ['a prototype written with escapes', String.raw`{"\u005f_proto\u005f_": {"admin": true}}`],
    ['a constructor’s prototype', '{"constructor": {"prototype": {"admin": true}}}'],
  ])('that sets %s is INVALID_JSON', (_what, text) => {
    expect(refusal(text)).toBe('INVALID_JSON');
    expect(Object.prototype).not.toHaveProperty('admin');
  });

  test.each([
    ['lists', (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`],
    ['objects', (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}`],
    [
      'values beside it',
      (levels: number) => `{"a":${'[1,'.repeat(levels - 1)}2${']'.repeat(levels - 1)}}`,
    ],
    [
      'beside the events',
      (levels: number) => `{"events":[],"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`,
    ],
  ])('may have at most 32 levels: %s', (_of, nested) => {
    expect(refusal(nested(32))).toBe('none');
    expect(refusal(nested(33))).toBe('TOO_DEEP');
    expect(refusal(nested(100_000))).toBe('TOO_DEEP');
  });
});

describe('a fault within an event is not a fault of the body', () => {
  const bodies: [what: string, bodyOf: (event: string) => string][] = [
    ['in an envelope', (event) => `{"sentAt":"x","events":[1,${event},{"a":1}]}`],
    ['in a bare array', (event) => `[1,${event},{"a":1}]`],
  ];

  test.each(bodies)('%s: a prototype, any depth', (_where, bodyOf) => {
    for (const event of ['{"__proto__":1}', '['.repeat(100_000) + ']'.repeat(100_000)]) {
      expect(refusal(bodyOf(event))).toBe('none');
    }
    expect(Object.prototype).not.toHaveProperty('admin');
  });

  test.each(bodies)(
    '%s: bytes that are not UTF-8 are a fault of the event that contains them',
    (_where, bodyOf) => {
      for (const [before, after] of [
        ['', ''],
        ['\\ud83d', '\\ude00'],
        ['\uFFFD', '\u{10FFFF}\uFFFD'],
      ]) {
        const [head = '', tail] = bodyOf(`{"a":{"b":"${before}?${after}"},"c":"\uFFFD"}`).split(
          '?',
        );
        for (const bytes of [[0xff], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xff, 0xff, 0xfe]]) {
          const body = [Buffer.from(head), Buffer.from(bytes), Buffer.from(tail ?? '')];
          const { value } = parseJsonBody(Buffer.concat(body));
          const events = Object(value).events ?? value;
          const faults: unknown[] = events.map((event: unknown) => findUnsafeJson(event));
          expect(faults[1]).toMatchObject({ code: 'INVALID_TEXT', path: 'a.b' });
          expect([faults[0], faults[2]]).toEqual([undefined, undefined]);
          expect(events[1].c).toBe('\uFFFD');
        }
      }
    },
  );

  test.each([
    ['in the envelope', '{"sentAt":"?","events":[{}]}'],
    ['in the name of a field of the envelope', '{"sent?At":"","events":[{}]}'],
    ['between events', '{"events":[{},?{}]}'],
    ['in an event outside its texts', '{"events":[{"a":?}]}'],
    ['at the end', '{"events":[{}]}?'],
  ])('bytes that are not UTF-8 are INVALID_UTF8 %s', (_where, body) => {
    expect(refusal(Buffer.from(body.replace('?', '\u00ff'), 'latin1'))).toBe('INVALID_UTF8');
  });
});

describe('a member that occurs twice', () => {
  const duplicatesIn = (body: string) => [...parseJsonBody(Buffer.from(body)).duplicateMembers];

  test.each([
    ['the events', '{"events":[],"events":[]}'],
    ['a field with the same value', '{"atomic":true,"events":[],"atomic":true}'],
    ['a name with escapes', String.raw`{"events":[],"\u0065vents":[]}`],
    ['an empty name', '{"":1,"":2}'],
    ['after texts that look like JSON', String.raw`{"a":"\\","b":"\",\"a\":1","a":{"b":[1,2]}}`],
  ])('in the body is INVALID_JSON: %s', (_what, text) => {
    expect(refusal(text)).toBe('INVALID_JSON');
  });

  test.each([
    ['the first of two', '{"events":[{"a":1,"b":2,"b":3,"a":4}]}', [[0, 'b']]],
    ['by a name with escapes', String.raw`{"events":[{"\u0061\"":1,"a\"":1}]}`, [[0, 'a"']]],
    [
      'in some of a bare array',
      '[{"a":1,"a":2},[],3,{"a":1},{"c":{},"c":[]}]',
      [
        [0, 'a'],
        [4, 'c'],
      ],
    ],
    ['after other fields', '{"x":[{"a":1,"a":2}],"events":[{"a":1},{"a":1,"a":2}]}', [[1, 'a']]],
    ['before other fields', '{"events":[{"a":1,"a":2}],"x":[{"a":1,"a":2}]}', [[0, 'a']]],
    ['a prototype', '{"events":[{"__proto__":1,"__proto__":2}]}', [[0, '__proto__']]],
  ])('in an event is reported with the index of the event: %s', (_what, body, found) => {
    expect(duplicatesIn(body)).toEqual(found);
  });

  test.each([
    ['deeper in an event', '{"events":[{"payload":{"a":1,"a":2}}]}'],
    ['in lists of lists', '[[{"a":1,"a":2}]]'],
    ['in texts', String.raw`{"events":[{"a":"\",\"a\":1","b":"{:,}[\\"}]}`],
  ])('is not searched %s', (_where, body) => {
    expect(duplicatesIn(body)).toEqual([]);
  });

  test('is found in every generated body', () => {
    const json = fc.jsonValue({ maxDepth: 3 });
    const event = fc.dictionary(fc.string(), json, { noNullPrototype: true, minKeys: 1 });
    const events = fc.array(fc.oneof(event, json), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(events, fc.nat(), fc.boolean(), (list, at, isBare) => {
        const texts = list.map((one) => JSON.stringify(one));
        const bodyOf = (all: readonly string[]) =>
          isBare ? `[${all.join()}]` : `{"atomic":":[","events":[${all.join()}]}`;
        expect(duplicatesIn(bodyOf(texts))).toEqual([]);
        const index = at % list.length;
        const [name] = Object.keys(Object(list[index]));
        const text = texts[index] ?? '';
        if (name === undefined || !text.startsWith('{')) return;
        const twice = `${text.slice(0, -1)},${JSON.stringify(name)}:[{"a":1}]}`;
        expect(duplicatesIn(bodyOf(texts.with(index, twice)))).toEqual([[index, name]]);
      }),
    );
  });
});

describe('an event', () => {
  const nested = (levels: number, at: string) => {
    let value: unknown = 'x';
    for (let level = 2; level < levels; level += 1) value = level % 2 ? [value] : { a: value };
    return { identityKey: 'k', [at]: [value] };
  };

  test.each([
    ['payload', 'INVALID_PAYLOAD'],
    ['colour', 'INVALID_EVENT'],
  ])('may have at most 32 levels in its %s', (at, code) => {
    expect(findUnsafeJson(nested(32, at))).toBeUndefined();
    const fault = findUnsafeJson(nested(33, at));
    expect(fault).toMatchObject({ code, path: expect.stringMatching(`^${at}\\.0\\.`) });
    expect(fault?.path?.split('.')).toHaveLength(32);
    expect(findUnsafeJson(nested(100_000, at))).toMatchObject({ code });
  });

  test.each([
    ['{"payload":{"data":{"__proto__":"x"}}}', 'INVALID_PAYLOAD', 'payload.data.__proto__'],
    ['{"payload":[{"\\u005f_proto__":null}]}', 'INVALID_PAYLOAD', 'payload.0.__proto__'],
    ['{"__proto__":{"payload":1}}', 'INVALID_EVENT', '__proto__'],
    ['{"payload":{"constructor":{"prototype":1}}}', 'INVALID_PAYLOAD', 'payload.constructor'],
    ['{"constructor":{"prototype":{}}}', 'INVALID_EVENT', 'constructor'],
  ])('that would set a prototype is found: %s', (text, code, path) => {
    expect(findUnsafeJson(JSON.parse(text))).toMatchObject({ code, path });
  });

  test.each([
    '{"constructor":1,"prototype":{}}',
    '{"constructor":{"a":1}}',
    '{"constructor":null}',
    '{"a":"__proto__"}',
  ])('that sets no prototype is valid: %s', (text) => {
    expect(findUnsafeJson(JSON.parse(text))).toBeUndefined();
  });
});

describe('a value that the database cannot store unchanged', () => {
  test.each<[string, unknown, string, string]>([
    ['U+0000', { a: ['x', 'y\u0000'] }, 'INVALID_TEXT', 'a.1'],
    ['the first half of a pair', { a: { b: 'x\uD83D' } }, 'INVALID_TEXT', 'a.b'],
    ['the second half of a pair', { a: '\uDE00x' }, 'INVALID_TEXT', 'a'],
    ['halves in the wrong order', { a: '\uDE00\uD83D' }, 'INVALID_TEXT', 'a'],
    ['U+0000 in a name', { a: { 'b\u0000': 1 } }, 'INVALID_TEXT', 'a'],
    ['2^53', { a: 2 ** 53 }, 'INVALID_NUMBER', 'a'],
    ['-2^53', { a: -(2 ** 53) }, 'INVALID_NUMBER', 'a'],
    ['an integer that lost its last digit', { a: 1e300 }, 'INVALID_NUMBER', 'a'],
    ['infinity', { a: [[-Infinity]] }, 'INVALID_NUMBER', 'a.0.0'],
    ['the first of several', { a: 1, b: { c: '\u0000' }, d: 2 ** 53 }, 'INVALID_TEXT', 'b.c'],
  ])('is found, and its path is returned: %s', (_what, value, code, path) => {
    expect(findUnstorable(value)).toMatchObject({ code, path });
  });

  test.each<[string, unknown]>([
    ['pairs', { 'a\u{1F600}': '\u{1F600}' }],
    ['control characters other than U+0000', { a: '\u0001\u001F\n' }],
    ['the greatest integers', [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, -0]],
    ['fractions, small or large', [0.1, -2.5e-300, 4_503_599_627_370_495.5]],
    ['nothing', [null, true, {}, [], '']],
  ])('is not found in %s', (_what, value) => {
    expect(findUnstorable(value)).toBeUndefined();
  });

  test('is found at every place of a value', () => {
    const bad = fc.constantFrom('\u0000', '\uD800', 2 ** 53, Number.POSITIVE_INFINITY);
    const path = fc.array(fc.constantFrom('a', 'b', '0'), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(bad, path, (value, names) => {
        const nested = names.reduceRight<unknown>(
          (inner, name) => ({ x: 1, [name]: inner }),
          value,
        );
        expect(findUnstorable(nested)?.path).toBe(names.join('.'));
      }),
    );
  });

  test('is reported with the start of its path if the path is long', () => {
    const name = 'x'.repeat(10_000);
    for (const found of [
      findUnstorable({ [name]: '\u0000' }),
      findUnstorable({ [name]: 2 ** 60 }),
    ]) {
      expect(found?.path).toBe(`${'x'.repeat(500)}…`);
    }
  });
});
