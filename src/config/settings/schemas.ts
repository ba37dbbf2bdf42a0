import { z } from 'zod';
import { parseDuration } from '../duration.ts';

/** A whole number of at least 1. */
export const count = z.coerce.number().int().min(1);

export const nonEmptyText = z.string().min(1);

/** A duration such as `90d`, `12h` or `30m`, in milliseconds. */
export const duration = z.string().transform((text, context) => {
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined) return milliseconds;
  context.addIssue(`${JSON.stringify(text)} is not a duration such as 90d, 12h or 30m`);
  return z.NEVER;
});

/** The parts of a text that has commas between them, without empty parts. */
export function splitAtCommas(text: string): readonly string[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}
