import { describe, expect, test } from 'vitest';
import { toEffectiveTime } from '../../src/domain/decide/event-time.ts';
import { fc } from './support/property.ts';

const receivedAt = 1_800_000_000_000_000;
const minute = 60_000_000;
const year = 365 * 24 * 60 * minute;

describe('on the server’s clock, an event happened', () => {
  test.each([
    ['when it was received, if the client states no time', null, null, 0, false],
    [
      'when it was received, if the client only states when it sent the request',
      null,
      -year,
      0,
      false,
    ],
    [
      'at the time that the client states, if it does not state when it sent the request',
      -minute,
      null,
      -minute,
      false,
    ],
    ['as long ago as on a correct clock', -minute, 0, -minute, false],
    ['as long ago as on a clock that is a year slow', -year - minute, -year, -minute, false],
    ['as long ago as on a clock that is a year fast', year - minute, year, -minute, false],
    ['when it was received, if it happened when it was sent', year, year, 0, false],
    ['when it was received, if its time is after the time of sending', 1, 0, 0, true],
    [
      'when it was received, if a slow clock puts it after the time of sending',
      -minute,
      -year,
      0,
      true,
    ],
    ['when it was received, if its time is after the receipt', 1, null, 0, true],
  ])('%s', (_what, occurred, sent, effective, clockAdjusted) => {
    const at = (offset: number | null) => (offset === null ? null : receivedAt + offset);
    const time = toEffectiveTime(at(occurred), at(sent), receivedAt);
    expect(time).toEqual({ effectiveAt: receivedAt + effective, clockAdjusted });
  });
});

describe('for every time of the client’s clock', () => {
  const instant = fc.integer({ min: Date.UTC(1970, 0) * 1000, max: Date.UTC(2100, 0) * 1000 });
  const maybe = fc.option(instant);

  test('no event is later than its receipt, and an adjusted time is marked', () => {
    fc.assert(
      fc.property(maybe, maybe, instant, (occurredAt, sentAt, received) => {
        const { effectiveAt, clockAdjusted } = toEffectiveTime(occurredAt, sentAt, received);
        expect(effectiveAt).toBeLessThanOrEqual(received);
        expect(clockAdjusted ? effectiveAt : received).toBe(received);
        const fromFuture = occurredAt !== null && occurredAt > (sentAt ?? received);
        expect(clockAdjusted).toBe(fromFuture);
      }),
    );
  });

  test('an error of the clock that is in both times has no effect', () => {
    const shift = fc.integer({ min: -20 * year, max: 20 * year });
    fc.assert(
      fc.property(instant, instant, instant, shift, (occurredAt, sentAt, received, error) => {
        expect(toEffectiveTime(occurredAt + error, sentAt + error, received)).toEqual(
          toEffectiveTime(occurredAt, sentAt, received),
        );
      }),
    );
  });

  test('two events of one request keep their order', () => {
    fc.assert(
      fc.property(instant, instant, maybe, instant, (one, other, sentAt, received) => {
        const earlier = toEffectiveTime(Math.min(one, other), sentAt, received);
        const later = toEffectiveTime(Math.max(one, other), sentAt, received);
        expect(earlier.effectiveAt).toBeLessThanOrEqual(later.effectiveAt);
      }),
    );
  });
});
