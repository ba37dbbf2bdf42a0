import { parse } from '@lukeed/ms';

/**
 * Reads a duration such as `90d`, `12h` or `30m`. A number without a unit is refused, because its writer
 * hardly means milliseconds.
 *
 * @returns milliseconds, more than 0; undefined for any other text
 */
export function parseDuration(text: string): number | undefined {
  const milliseconds = /[a-z]\s*$/i.test(text) ? parse(text) : undefined;
  return milliseconds !== undefined && milliseconds > 0 ? milliseconds : undefined;
}
