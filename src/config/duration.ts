import { parse } from '@lukeed/ms';

/**
 * Reads a time span such as `90d`, `12h` or `30m`. A bare number is refused: who writes 90 does not
 * mean milliseconds.
 *
 * @returns milliseconds, more than 0; undefined for anything else
 */
export function parseDuration(text: string): number | undefined {
  const milliseconds = /[a-z]\s*$/i.test(text) ? parse(text) : undefined;
  return milliseconds !== undefined && milliseconds > 0 ? milliseconds : undefined;
}
