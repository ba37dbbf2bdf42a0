import { describe, expect, test } from 'vitest';
import { formatMicros, timestampSchema, toMicros } from '../../src/protocol/time.ts';
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
  ])('%s is one', (text) => {
    expect(timestampSchema.safeParse(text).success).toBe(true);
  });

  test.each([
    ['no zone', '2026-11-21T10:00:05'],
    ['no time', '2026-11-21'],
    ['no seconds', '2026-11-21T10:00Z'],
    ['a space for the T', '2026-11-21 10:00:05Z'],
    ['a zone without colon', '2026-11-21T10:00:05+0100'],
    ['a day that is not in the calendar', '2026-02-29T00:00:00Z'],
    ['an hour that is not on the clock', '2026-11-21T24:00:00Z'],
    ['a month 13', '2026-13-01T00:00:00Z'],
    ['a number', 1_795_255_205_000],
    ['the last moment of 1899', '1899-12-31T23:59:59.999Z'],
    ['1900 there, but still 1899 in UTC', '1900-01-01T00:00:00+00:01'],
    ['the first moment of 2200', '2200-01-01T00:00:00Z'],
    ['2199 there, but already 2200 in UTC', '2199-12-31T23:59:59-00:01'],
    ['a year of five digits', '+020000-01-01T00:00:00Z'],
    ['text after it', '2026-11-21T10:00:05Z and more'],
  ])('is not: %s', (_what, value) => {
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
  ])('%s is %i', (text, micros) => {
    expect(toMicros(text)).toBe(micros);
  });

  const micros = fc.integer({ min: Date.UTC(1900, 0) * 1000, max: Date.UTC(2200, 0) * 1000 - 1 });

  test('are exact over all the years that are taken', () => {
    fc.assert(
      fc.property(micros, (exact) => {
        const text = withMicros(exact);
        expect(timestampSchema.safeParse(text).success).toBe(true);
        expect(toMicros(text)).toBe(exact);
      }),
    );
  });

  test('are written in UTC with milliseconds, what is below them cut off', () => {
    expect(formatMicros(1_500_999)).toBe('1970-01-01T00:00:01.500Z');
    expect(formatMicros(-1)).toBe('1969-12-31T23:59:59.999Z');
    fc.assert(
      fc.property(micros, (exact) => {
        const behind = exact - toMicros(formatMicros(exact));
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
