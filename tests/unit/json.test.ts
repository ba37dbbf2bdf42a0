import { describe, expect, test } from 'vitest';
import { RequestProblem } from '../../src/errors.ts';
import { findUnstorable, parseJsonBody } from '../../src/protocol/json.ts';
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
  test('is read as any JSON value that sets no prototype', () => {
    const texts = fc.jsonValue({ maxDepth: 5 }).map((value) => JSON.stringify(value));
    const harmless = texts.filter((text) => !/"(__proto__|constructor)"/.test(text));
    fc.assert(
      fc.property(harmless, (text) => {
        expect(parseJsonBody(Buffer.from(text))).toEqual(JSON.parse(text));
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
  ])('with %s is INVALID_UTF8, and nothing in it becomes U+FFFD', (_what, bytes) => {
    expect(refusal(Buffer.from(bytes))).toBe('INVALID_UTF8');
  });

  test('with every kind of UTF-8 is read to the character', () => {
    const text = 'aé€\u{1F600}\uFFFD';
    expect(parseJsonBody(Buffer.from(JSON.stringify(text)))).toBe(text);
  });

  test.each([
    ['a prototype', '{"__proto__": {"admin": true}}'],
    ['a prototype deep inside', '{"events": [{"payload": {"__proto__": 1}}]}'],
    ['a prototype written with escapes', String.raw`{"\u005f_proto\u005f_": {"admin": true}}`],
    ['a constructor’s prototype', '{"constructor": {"prototype": {"admin": true}}}'],
  ])('that sets %s is INVALID_JSON', (_what, text) => {
    expect(refusal(text)).toBe('INVALID_JSON');
    expect(Object.prototype).not.toHaveProperty('admin');
  });

  test.each([
    ['lists', (levels: number) => '['.repeat(levels) + ']'.repeat(levels)],
    ['objects', (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}`],
    ['values beside it', (levels: number) => `${'[1,'.repeat(levels)}2${']'.repeat(levels)}`],
  ])('may nest 32 levels and no more: %s', (_of, nested) => {
    expect(refusal(nested(32))).toBe('none');
    expect(refusal(nested(33))).toBe('TOO_DEEP');
    expect(refusal(nested(100_000))).toBe('TOO_DEEP');
  });
});

describe('what the database could not keep as it is', () => {
  test.each<[string, unknown, string, string]>([
    ['U+0000', { a: ['x', 'y\u0000'] }, 'INVALID_TEXT', 'a.1'],
    ['the first half of a pair', { a: { b: 'x\uD83D' } }, 'INVALID_TEXT', 'a.b'],
    ['the second half of a pair', { a: '\uDE00x' }, 'INVALID_TEXT', 'a'],
    ['halves in the wrong order', { a: '\uDE00\uD83D' }, 'INVALID_TEXT', 'a'],
    ['such a text as a name', { a: { 'b\u0000': 1 } }, 'INVALID_TEXT', 'a'],
    ['2^53', { a: 2 ** 53 }, 'INVALID_NUMBER', 'a'],
    ['-2^53', { a: -(2 ** 53) }, 'INVALID_NUMBER', 'a'],
    ['an integer that lost its last digit', { a: 1e300 }, 'INVALID_NUMBER', 'a'],
    ['infinity', { a: [[-Infinity]] }, 'INVALID_NUMBER', 'a.0.0'],
    ['the first of several', { a: 1, b: { c: '\u0000' }, d: 2 ** 53 }, 'INVALID_TEXT', 'b.c'],
  ])('is found and named: %s', (_what, value, code, path) => {
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

  test('is found wherever it stands', () => {
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

  test('is named by the beginning of its path where that is long', () => {
    const name = 'x'.repeat(10_000);
    for (const found of [
      findUnstorable({ [name]: '\u0000' }),
      findUnstorable({ [name]: 2 ** 60 }),
    ]) {
      expect(found?.path).toBe(`${'x'.repeat(500)}…`);
    }
  });
});
