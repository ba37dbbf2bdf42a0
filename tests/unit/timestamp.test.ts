import { describe, expect, test } from 'vitest';
import { formatMicros, timestampSchema } from '../../src/domain/timestamp.ts';
import { fc } from './support/property.ts';

describe('a timestamp', () => {
  test.each([
    '2026-11-21T10:00:05Z',
    '2026-11-21T10:00:05.1Z',
    '2026-11-21T10:00:05.123456789Z',
    '2026-11-21T10:00:05+05:30',
    '2026-11-21T10:00:05.000-08:00',
    '2024-02-29T00:00:00Z',
    '1900-01-01T00:00:00Z',
    '2199-12-31T23:59:59.999999Z',
    '2026-11-21t10:00:05z',
    '2026-11-21T10:00:05z',
    '2026-11-21t10:00:05.5+01:00',
    '2026-11-21 10:00:05Z',
    '2026-11-21T10:00:05-00:00',
    '1972-06-30T23:59:60Z',
    '2016-12-31T23:59:60.999Z',
    '2016-12-31t15:59:60-08:00',
    '2017-01-01T05:29:60+05:30',
    '2199-12-31T23:59:60Z',
  ])('%s is valid', (text) => {
    expect(timestampSchema.safeParse(text).success).toBe(true);
  });

  test.each([
    ['no zone', '2026-11-21T10:00:05'],
    ['no time', '2026-11-21'],
    ['no seconds', '2026-11-21T10:00Z'],
    ['another letter for the T', '2026-11-21_10:00:05Z'],
    ['a comma before the fraction', '2026-11-21T10:00:05,5Z'],
    ['a point without a fraction', '2026-11-21T10:00:05.Z'],
    ['a second 60 within a month', '2016-12-30T23:59:60Z'],
    ['a second 60 within a day', '2016-12-31T12:00:60Z'],
    ['a second 60 that is no leap second in UTC', '2016-12-31T23:59:60-08:00'],
    ['a second 61', '2016-12-31T23:59:61Z'],
    ['a zone of 24 hours', '2026-11-21T10:00:05+24:00'],
    ['29 February of 2100', '2100-02-29T00:00:00Z'],
    ['31 April', '2026-04-31T00:00:00Z'],
    ['day 0', '2026-04-00T00:00:00Z'],
    ['spaces around it', ' 2026-11-21T10:00:05Z'],
    ['digits of another script', '\u0662026-01-01T00:00:00Z'],
    ['a zone without colon', '2026-11-21T10:00:05+0100'],
    ['a day that is not in the calendar', '2026-02-29T00:00:00Z'],
    ['an hour that is not on the clock', '2026-11-21T24:00:00Z'],
    ['a month 13', '2026-13-01T00:00:00Z'],
    ['a number', 1_795_255_205_000],
    ['the last moment of 1899', '1899-12-31T23:59:59.999Z'],
    ['a time in 1900 that is in 1899 in UTC', '1900-01-01T00:00:00+00:01'],
    ['the first moment of 2200', '2200-01-01T00:00:00Z'],
    ['a time in 2199 that is in 2200 in UTC', '2199-12-31T23:59:59-00:01'],
    ['a year of five digits', '+020000-01-01T00:00:00Z'],
    ['text after it', '2026-11-21T10:00:05Z and more'],
  ])('is invalid with %s', (_what, value) => {
    expect(timestampSchema.safeParse(value).success).toBe(false);
  });
});

describe('microseconds', () => {
  test.each([
    ['1970-01-01T00:00:00Z', 0],
    ['1970-01-01T00:00:01Z', 1_000_000],
    ['1970-01-01T00:00:00.5Z', 500_000],
    ['1970-01-01T00:00:00.123456Z', 123_456],
    ['1970-01-01T00:00:00.000001Z', 1],
    ['1970-01-01T01:00:00.0001+01:00', 100],
    ['1970-01-01T00:00:00.0000019Z', 1],
    ['1969-12-31T23:59:59.999999Z', -1],
    ['1970-01-01t00:00:00.000001z', 1],
    ['1970-01-01 01:00:00+01:00', 0],
  ])('%s is %i', (text, micros) => {
    expect(timestampSchema.parse(text)).toBe(micros);
  });

  test('are equal for all notations of one time', () => {
    const ways = ['Z', 'z', '+00:00', '-00:00', '.0Z', '.000Z', '.000000Z', '.0000009Z'];
    const times = [...ways.map((end) => `2026-11-21T10:00:05${end}`), '2026-11-21 11:30:05+01:30'];
    expect(new Set(times.map((text) => timestampSchema.parse(text))).size).toBe(1);
  });

  test('of a leap second are the last microsecond of the second before it', () => {
    const last = Date.UTC(2017, 0, 1) * 1000 - 1;
    for (const fraction of ['', '.0', '.5', '.999999999']) {
      expect(timestampSchema.parse(`2016-12-31T23:59:60${fraction}Z`)).toBe(last);
    }
  });

  const micros = fc.integer({ min: Date.UTC(1900, 0) * 1000, max: Date.UTC(2200, 0) * 1000 - 1 });

  test('are exact in all accepted years', () => {
    fc.assert(
      fc.property(micros, (exact) => {
        const text = withMicros(exact);
        expect(timestampSchema.parse(text)).toBe(exact);
        expect(timestampSchema.parse(text.toLowerCase().replace('t', ' '))).toBe(exact);
      }),
    );
  });

  test('are printed in UTC with milliseconds, and smaller digits are cut off', () => {
    expect(formatMicros(1_500_999)).toBe('1970-01-01T00:00:01.500Z');
    expect(formatMicros(-1)).toBe('1969-12-31T23:59:59.999Z');
    fc.assert(
      fc.property(micros, (exact) => {
        const behind = exact - timestampSchema.parse(formatMicros(exact));
        expect(behind).toBeGreaterThanOrEqual(0);
        expect(behind).toBeLessThan(1000);
      }),
    );
  });
});

function withMicros(exact: number): string {
  const below = ((exact % 1000) + 1000) % 1000;
  const toMillisecond = new Date((exact - below) / 1000).toISOString();
  return toMillisecond.replace('Z', `${String(below).padStart(3, '0')}Z`);
}
