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

/** RFC 3339 in UTC with milliseconds, as every time in an answer. */
export function formatMicros(micros: number): string {
  return new Date(Math.floor(micros / 1000)).toISOString();
}
