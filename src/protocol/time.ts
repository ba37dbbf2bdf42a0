import { z } from 'zod';

const earliest = Date.UTC(1900, 0, 1);
const latest = Date.UTC(2200, 0, 1);

/** RFC 3339 with a zone, in the years 1900 to 2199: within them microseconds are exact integers. */
export const timestampSchema = z.iso
  .datetime({ offset: true, message: 'must be an RFC 3339 time with a zone' })
  .refine(
    (text) => {
      const milliseconds = Date.parse(text);
      return milliseconds >= earliest && milliseconds < latest;
    },
    { message: 'must lie in the years 1900 to 2199' },
  );

/** Microseconds since 1970 of a valid timestamp; digits beyond the sixth are cut off. */
export function toMicros(timestamp: string): number {
  // No room for a fourth digit behind the seconds.
  if (timestamp.length <= '2026-11-21T10:00:00.000Z'.length) return Date.parse(timestamp) * 1000;
  const fraction = /\.(\d+)/.exec(timestamp)?.[1] ?? '';
  const belowMillisecond = Number(fraction.slice(3, 6).padEnd(3, '0'));
  return Date.parse(timestamp) * 1000 + belowMillisecond;
}

const dayMs = 86_400_000;
const twoDigits = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, '0'));
const threeDigits = Array.from({ length: 1000 }, (_, number) => String(number).padStart(3, '0'));

/**
 * RFC 3339 in UTC with milliseconds, as every time in an answer; for the years 1000 to 9999. By whole
 * numbers alone, as a page prints three for each record, and a Date takes thrice as long.
 */
export function formatMicros(micros: number): string {
  const milliseconds = Math.floor(micros / 1000);
  const day = Math.floor(milliseconds / dayMs);
  const ofDay = milliseconds - day * dayMs;
  const seconds = Math.floor(ofDay / 1000);
  const minutes = Math.floor(seconds / 60);
  const time = `${twoDigits[Math.floor(minutes / 60)]}:${twoDigits[minutes % 60]}:${twoDigits[seconds % 60]}`;
  return `${formatDay(day)}T${time}.${threeDigits[ofDay % 1000]}Z`;
}

/**
 * The Gregorian calendar repeats after 400 years. Years that begin in March end with the leap day, so
 * that the months before it always have the same lengths: 153 days in five, of which day / 153 tells.
 *
 * @param day since 1970
 */
function formatDay(day: number): string {
  const since0000 = day + 719_468;
  const era = Math.floor(since0000 / 146_097);
  const ofEra = since0000 - era * 146_097;
  const leaps =
    Math.floor(ofEra / 1_460) - Math.floor(ofEra / 36_524) + Math.floor(ofEra / 146_096);
  const yearOfEra = Math.floor((ofEra - leaps) / 365);
  const ofYear =
    ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * ofYear + 2) / 153);
  const ofMonth = ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${year}-${twoDigits[month]}-${twoDigits[ofMonth]}`;
}
