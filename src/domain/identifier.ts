import { z } from 'zod';

/**
 * Text that names something: 1 to 200 characters (code points), short enough for a database index. A
 * person must be able to tell two names, so none of the characters is a control or format
 * character, a separator of lines or paragraphs, half of a surrogate pair, or drawn as nothing:
 * those that Unicode calls ignorable, and the braille blank, the musical null notehead and the Khitan
 * filler. `.` and `..` are no names: a URL cannot carry them, not even percent-encoded.
 */
const visible =
  /^(?!\.{1,2}$)[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\u{1D159}\u{16FE4}]{1,200}$/u;

/** In words. */
export const identifierRule = '1 to 200 visible characters, and not . or ..';

export const identifierSchema = z
  .string()
  .regex(visible, `must be ${identifierRule}`)
  .describe(identifierRule);

/** The identifier where an answer can hold it, else null. */
export function readIdentifier(value: unknown): string | null {
  const identifier = identifierSchema.safeParse(value);
  return identifier.success ? identifier.data : null;
}
