import { findUnstorable } from '../json-value.ts';
import { entityTypeSchema } from '../record.ts';
import type { Fields } from './intent.ts';

// The author of a kind may write plain JavaScript, so types do not check what its functions return. A value that JSON
// or the database cannot keep would fail the whole batch, or come back changed. It is refused here, where only one
// event fails.

export function isEntityType(text: unknown): boolean {
  return entityTypeSchema.safeParse(text).success;
}

/**
 * The value that a function of a kind returned. Deciding cannot wait for a promise. The promise gets a handler,
 * because one that rejects without a handler ends the process.
 *
 * @throws Error if the value is a promise
 */
export function assertNotPromise<Value>(value: Value): Exclude<Value, Promise<unknown>> {
  if (value instanceof Promise) {
    value.catch(() => {});
    throw new Error('a function of the kind returned a promise');
  }
  // Sound: for a promise, an error was thrown.
  return value as Exclude<Value, Promise<unknown>>;
}

/**
 * The error names the type of the wrong value and its depth, and no field: the client may have chosen the names of
 * fields, and the log does not contain data of clients.
 *
 * @throws Error if the fields are not JSON that the database can store
 */
export function assertFields(fields: unknown): Fields {
  if (!isPlainObject(assertNotPromise(fields))) throw new Error('not an object of fields');
  const wrongType = findWrongType(fields, 0);
  if (wrongType !== undefined) throw new Error(`a field is not JSON: ${wrongType}`);
  const unstorable = findUnstorable(fields);
  if (unstorable) throw new Error(`a field ${unstorable.message}`);
  // Sound: every value in it was just found to be JSON.
  return fields as Fields;
}

/** The type of the first value that is not JSON, such as a date, a bigint or undefined. */
function findWrongType(value: unknown, depth: number): string | undefined {
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return undefined;
  assertNotPromise(value);
  if (!Array.isArray(value) && !isPlainObject(value)) {
    // For example Date or Map.
    const type = Object.prototype.toString.call(value).slice('[object '.length, -1);
    return depth > 1 ? `${type}, ${depth} levels deep` : type;
  }
  for (const child of Object.values(value)) {
    const wrongType = findWrongType(child, depth + 1);
    if (wrongType !== undefined) return wrongType;
  }
  return undefined;
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
