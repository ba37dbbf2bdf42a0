import { describe, expect, test } from 'vitest';
import { identifierSchema, readIdentifier } from '../../src/domain/identifier.ts';
import { fc } from './support/property.ts';

const isTaken = (text: string) => identifierSchema.safeParse(text).success;

/** One that stands between two letters, so that it is not at an end either. */
const within = (character: string) => `a${character}b`;

describe('an identifier', () => {
  test.each([
    ['control characters', '\u0000\u0009\u000a\u000d\u001f\u007f\u0085\u009f'],
    ['separators of lines and paragraphs', '\u2028\u2029'],
    ['halves of surrogate pairs', '\udc00\udfff\ud800\udbff'],
    ['zero width spaces and joiners', '\u200b\u200c\u200d\u2060\ufeff'],
    ['marks of direction', '\u200e\u200f\u061c\u202a\u202e\u2066\u2069'],
    ['soft hyphen or grapheme joiner', '\u00ad\u034f'],
    ['fillers', '\u115f\u1160\u3164\uffa0\u{16fe4}'],
    ['variation selectors', '\ufe00\ufe0f\u180b\u{e0100}\u{e01ef}'],
    ['tags', '\u{e0001}\u{e0020}\u{e007f}'],
    ['invisible operators', '\u2061\u2064'],
    ['annotations between lines', '\ufff9\ufffa\ufffb'],
    [
      'other character that Unicode calls ignorable',
      '\u17b4\u17b5\u2065\ufff0\u{1bca0}\u{1d173}\u{e0fff}',
    ],
    ['other characters that are drawn as nothing', '\u2800\u{1d159}'],
  ])('cannot contain %s', (_what, characters) => {
    for (const character of characters) {
      expect([within(character), character].filter(isTaken)).toEqual([]);
    }
  });

  test.each(['.', '..', '', 'x'.repeat(201), '\u{1F600}'.repeat(201)])('cannot be %j', (text) => {
    expect(isTaken(text)).toBe(false);
    expect(readIdentifier(text)).toBe(null);
  });

  test.each([
    '...',
    '.a',
    'a.',
    '%2e',
    '%2E%2E',
    './..',
    '../x',
    'a b',
    ' ',
    'é',
    'e\u0301',
    '名前',
    'اسم',
    '\u{1F600}',
    '\ue000',
    '\ufffd',
    'x'.repeat(200),
    '\u{1F600}'.repeat(200),
    'landfall:resolution:1',
    'A00:12:34:05/structure/shipyard',
  ])('can be %j', (text) => {
    expect(readIdentifier(text)).toBe(text);
  });

  test('is the same after it was encoded in a URL', () => {
    const parts = fc.constantFrom(
      '.',
      '..',
      '/',
      '\\',
      '%',
      '2e',
      '%2e',
      '%2F',
      '?',
      '#',
      ';',
      ' ',
      '+',
      ':',
      '@',
      '~',
      '\t',
      'é',
    );
    const texts = fc.oneof(
      fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
      fc.array(parts, { minLength: 1, maxLength: 6 }).map((list) => list.join('')),
    );
    let taken = 0;
    fc.assert(
      fc.property(texts, (text) => {
        if (!isTaken(text)) return;
        taken += 1;
        const url = new URL(`/api/sync/conflicts/${encodeURIComponent(text)}`, 'http://h');
        const [, last] = /^\/api\/sync\/conflicts\/([^/]+)$/.exec(url.pathname) ?? [];
        expect(decodeURIComponent(last ?? '')).toBe(text);
        expect([url.search, url.hash]).toEqual(['', '']);
        // And as one of several parts, before which another stands.
        const history = new URL(`/entities/note/${encodeURIComponent(text)}/events`, 'http://h');
        expect(history.pathname.split('/')).toHaveLength(5);
      }),
      { numRuns: 2_000 },
    );
    expect(taken).toBeGreaterThan(500);
  });
});
