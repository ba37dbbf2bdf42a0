import { z } from 'zod';

const earliest = Date.UTC(1900, 0, 1);
const latest = Date.UTC(2200, 0, 1);
const dayMs = 86_400_000;

/**
 * The form of RFC 3339: `T` and `Z` may be lower case, a space may replace the `T`, and second 60 is a leap second.
 * The number of days in the month is not checked here. Without groups, because every event of a push has such a text.
 */
const form =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[Tt ](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** Where the parts of a text of that form begin. All but the fraction and the zone have a fixed length. */
const minuteAt = 'yyyy-mm-ddT'.length;
const secondAt = 'yyyy-mm-ddThh:mm:'.length;
const fractionAt = 'yyyy-mm-ddThh:mm:ss.'.length;
const offsetLength = '+hh:mm'.length;

/**
 * A time that a client sends: RFC 3339 with a zone, in the years 1900 to 2199. The result is in microseconds since
 * 1970, which are exact integers in those years. Digits after the sixth decimal are cut off.
 */
export const timestampSchema = z
  .string()
  .meta({ format: 'date-time' })
  .transform((text, context) => {
    const micros = readMicros(text);
    if (micros !== undefined && micros >= earliest * 1000 && micros < latest * 1000) return micros;
    const message =
      micros === undefined
        ? 'must be an RFC 3339 time with a zone'
        : 'must lie in the years 1900 to 2199';
    context.issues.push({ code: 'custom', message, input: text });
    return z.NEVER;
  });

/** Undefined if the text has another form, the month has no such day, or no leap second can be there. */
function readMicros(text: string): number | undefined {
  if (!form.test(text)) return undefined;
  const date = text.slice(0, minuteAt - 1);
  if (!isInCalendar(date)) return undefined;
  const isUtc = text.endsWith('Z') || text.endsWith('z');
  const zoneAt = text.length - (isUtc ? 1 : offsetLength);
  const second = text.slice(secondAt, fractionAt - 1);
  const isLeapSecond = second === '60';
  const minute = text.slice(minuteAt, secondAt);
  const zone = isUtc ? 'Z' : text.slice(zoneAt);
  const whole = Date.parse(`${date}T${minute}${isLeapSecond ? '59' : second}${zone}`);
  if (isLeapSecond) return endOfMonth(whole + 1000);
  return whole * 1000 + Number(text.slice(fractionAt, zoneAt).slice(0, 6).padEnd(6, '0'));
}

/** Date would read 30 February as a day in March. */
function isInCalendar(date: string): boolean {
  const day = Number(date.slice(8));
  if (day <= 28) return true;
  const lastDay = new Date(Date.UTC(Number(date.slice(0, 4)), Number(date.slice(5, 7)), 0));
  return day <= lastDay.getUTCDate();
}

/**
 * A leap second is the last second of a month in UTC. All of it is read as the last microsecond of the second before
 * it, so that it is never later than the time that follows it.
 *
 * @param next the second that follows the leap second, in milliseconds since 1970
 */
function endOfMonth(next: number): number | undefined {
  const isStartOfMonth = next % dayMs === 0 && new Date(next).getUTCDate() === 1;
  return isStartOfMonth ? next * 1000 - 1 : undefined;
}

/**
 * RFC 3339 in UTC with milliseconds, like every time in an answer; for the years 1000 to 9999. A page prints three
 * times for each record. With `toISOString` for each time, printing a page takes twice as long; so it is called once
 * for each day.
 */
export function formatMicros(micros: number): string {
  const milliseconds = Math.floor(micros / 1000);
  const day = Math.floor(milliseconds / dayMs);
  const timeOfDay = milliseconds - day * dayMs;
  const seconds = Math.floor(timeOfDay / 1000);
  const minutes = Math.floor(seconds / 60);
  const time = `${pad(Math.floor(minutes / 60), 2)}:${pad(minutes % 60, 2)}:${pad(seconds % 60, 2)}`;
  return `${formatDay(day)}T${time}.${pad(timeOfDay % 1000, 3)}Z`;
}

function pad(number: number, digits: number): string {
  return String(number).padStart(digits, '0');
}

const recentDays = new Map<number, string>();
const maxRecentDays = 1_000;

/** @param day days since 1970 */
function formatDay(day: number): string {
  const known = recentDays.get(day);
  if (known !== undefined) return known;
  if (recentDays.size >= maxRecentDays) recentDays.clear();
  const text = new Date(day * dayMs).toISOString().slice(0, 'yyyy-mm-dd'.length);
  recentDays.set(day, text);
  return text;
}
