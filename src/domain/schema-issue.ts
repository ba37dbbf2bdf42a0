import type { z } from 'zod';

export interface SchemaIssue {
  readonly message: string;
  /** Dotted path of the field at fault; absent where it is the whole value. */
  readonly path?: string;
}

const maxTextLength = 500;

/** Cut where a client sent names of any length: an answer is no echo. */
export function toDottedPath(names: readonly PropertyKey[]): string {
  return shortenText(names.join('.'));
}

/** At most 500 characters, and then an ellipsis. */
export function shortenText(text: string): string {
  return text.length > maxTextLength ? `${text.slice(0, maxTextLength).toWellFormed()}…` : text;
}

/**
 * The first thing Zod found, in the words of an answer: one is enough to correct, and their order
 * is the schema's. An unknown field is named like any other.
 *
 * @param root the path of the value that was checked
 */
export function describeFirstIssue(error: z.ZodError, ...root: readonly string[]): SchemaIssue {
  const [issue] = error.issues;
  if (!issue) throw new Error('zod refused a value without an issue');
  const unknownField = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const path = toDottedPath([...root, ...issue.path, ...unknownField]);
  const message = unknownField.length > 0 ? 'is not a known field' : issue.message;
  return path === '' ? { message } : { message, path };
}
