import { z } from 'zod';

/**
 * A text that identifies something: 1 to 200 characters (code points), short enough for a database index. A person
 * must be able to distinguish two identifiers. So an identifier contains no control or format characters, no
 * separators of lines or paragraphs, no halves of surrogate pairs, and no characters that are drawn as nothing: those
 * that Unicode calls ignorable, the braille blank, the musical null notehead and the Khitan filler. `.` and `..` are
 * refused, because a URL cannot contain them as a segment, not even percent-encoded.
 */
const visible =
  /^(?!\.{1,2}$)[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\u{1D159}\u{16FE4}]{1,200}$/u;

/** The rule for messages. */
export const identifierRule = '1 to 200 visible characters, and not . or ..';

export const identifierSchema = z
  .string()
  .regex(visible, `must be ${identifierRule}`)
  .describe(identifierRule);

/** The value if it is an identifier, so that an answer can contain it; else null. */
export function readIdentifier(value: unknown): string | null {
  const identifier = identifierSchema.safeParse(value);
  return identifier.success ? identifier.data : null;
}
