import { z } from 'zod';

/**
 * Text that names something: 1 to 200 characters (code points), none of them a control character,
 * a line or paragraph separator or half of a surrogate pair. Short enough for a database index.
 */
const printable = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,200}$/u;

export const identifierSchema = z
  .string()
  .regex(printable, 'must be 1 to 200 printable characters')
  .describe('1 to 200 printable characters');

/** The identifier where an answer can hold it, else null. */
export function readIdentifier(value: unknown): string | null {
  const identifier = identifierSchema.safeParse(value);
  return identifier.success ? identifier.data : null;
}
