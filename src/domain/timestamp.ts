import { z } from 'zod';

const earliest = Date.UTC(1900, 0, 1);
const latest = Date.UTC(2200, 0, 1);

/**
 * RFC 3339: `T` and `Z` may be lower case, a space may stand for the `T`, and second 60 is a leap
 * second. The calendar is not checked here.
 */
const form =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[Tt ](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/**
 * A time that a client sends: RFC 3339 with a zone, in the years 1900 to 2199. Read as microseconds
 * since 1970, which are exact integers in those years; digits beyond the sixth are cut off.
 */
export const timestampSchema = z
  .string()
  .meta({ format: 'date-time' })
  .transform((text, context) => {
    const micros = form.test(text) ? readMicros(text) : undefined;
    if (micros !== undefined && micros >= earliest * 1000 && micros < latest * 1000) return micros;
    const message =
      micros === undefined
        ? 'must be an RFC 3339 time with a zone'
        : 'must lie in the years 1900 to 2199';
    context.issues.push({ code: 'custom', message, input: text });
    return z.NEVER;
  });

/** Undefined where the calendar has no such day, or no leap second can be there. */
function readMicros(text: string): number | undefined {
  if (!isInCalendar(text)) return undefined;
  if (text.startsWith('60', '2026-11-21T10:00:'.length)) return readLeapSecond(text);
  const milliseconds = Date.parse(toUpperForm(text));
  // No room for a fourth digit behind the seconds.
  if (text.length <= '2026-11-21T10:00:00.000Z'.length) return milliseconds * 1000;
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? '';
  return milliseconds * 1000 + Number(fraction.slice(3, 6).padEnd(3, '0'));
}

/** The only form that Date reads alike everywhere. */
function toUpperForm(text: string): string {
  const isUpper = text[10] === 'T' && !text.endsWith('z');
  return isUpper ? text : `${text.slice(0, 10)}T${text.slice(11).toUpperCase()}`;
}

/** Date would read 30 February as a day of March. */
function isInCalendar(text: string): boolean {
  const day = Number(text.slice(8, 10));
  if (day <= 28) return true;
  return (
    day <= new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)), 0)).getUTCDate()
  );
}

/**
 * A leap second is the last second of a month in UTC. All of it counts as the last microsecond of the
 * second before it, so that it is never later than what follows it.
 */
function readLeapSecond(text: string): number | undefined {
  const second59 = toUpperForm(text).replace(/:60(?:\.\d+)?/, ':59');
  const next = new Date(Date.parse(second59) + 1000);
  const isMonthsFirst = next.getUTCDate() === 1 && next.getTime() % dayMs === 0;
  return isMonthsFirst ? next.getTime() * 1000 - 1 : undefined;
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
