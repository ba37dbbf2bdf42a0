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
 * RFC 3339 in UTC with milliseconds, as every time in an answer; for the years 1000 to 9999. A page prints
 * three for each record, most of them of few days: a day is asked of Date once, and the rest is whole numbers.
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

/** Those that were printed lately. */
const knownDays = new Map<number, string>();
const maxKnownDays = 1_000;

/** @param day since 1970 */
function formatDay(day: number): string {
  const known = knownDays.get(day);
  if (known !== undefined) return known;
  if (knownDays.size >= maxKnownDays) knownDays.clear();
  const text = new Date(day * dayMs).toISOString().slice(0, 'yyyy-mm-dd'.length);
  knownDays.set(day, text);
  return text;
}
