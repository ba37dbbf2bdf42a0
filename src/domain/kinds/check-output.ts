import { findUnstorable } from '../json-value.ts';
import { type EntityRef, entityTypeSchema } from '../record.ts';
import type { Fields, Intent, Write } from './intent.ts';

// A kind is somebody else's code, and may be plain JavaScript. What JSON or the database cannot keep
// would fail the whole batch, or come back changed: so it is refused while it is still one event's.

export function isEntityType(text: unknown): boolean {
  return entityTypeSchema.safeParse(text).success;
}

/**
 * What a kind's function returned, where that is no promise: deciding does not wait. A promise that
 * rejects with nobody listening would end the process.
 *
 * @throws Error for a promise
 */
export function assertNotPromise<Value>(value: Value): Exclude<Value, Promise<unknown>> {
  if (value instanceof Promise) {
    value.catch(() => {});
    throw new Error('a function of the kind returned a promise');
  }
  // Sound: a promise was thrown for.
  return value as Exclude<Value, Promise<unknown>>;
}

/** @throws Error where it is nothing that the pipeline can go on with */
export function assertIntent(intent: Intent): Intent {
  switch (intent.policy) {
    case 'append':
      return intent;
    case 'decide':
      checkReads(intent.reads);
      return intent;
    default:
      assertWrite(intent);
      return intent;
  }
}

/** @throws Error where it is no write, or its fields are none */
export function assertWrite(write: Write): void {
  switch (write.policy) {
    case 'put':
    case 'patch':
      assertFields(write.fields);
      return;
    case 'remove':
      return;
    default:
      throw new Error('neither a put nor a patch nor a remove');
  }
}

/**
 * What is wrong is told by its type and how deep it stands. A field may have a name of a client's own, and
 * no line of the log holds those.
 *
 * @throws Error where they are not JSON that the database can keep
 */
export function assertFields(fields: unknown): Fields {
  if (!isPlainObject(assertNotPromise(fields))) throw new Error('not an object of fields');
  const foreign = findForeign(fields, 0);
  if (foreign !== undefined) throw new Error(`a field is not JSON: ${foreign}`);
  const unstorable = findUnstorable(fields);
  if (unstorable) throw new Error(`a field ${unstorable.message}`);
  // Sound: every value in it was just found to be JSON.
  return fields as Fields;
}

/** The ids are the payload's, and are checked where the event's own is. */
function checkReads(reads: readonly EntityRef[]): void {
  if (!Array.isArray(assertNotPromise(reads))) throw new Error('reads is not a list');
  for (const { entityType, entityId } of reads) {
    assertNotPromise(entityId);
    if (!isEntityType(entityType)) throw new Error('reads names what is no entity type');
  }
}

/** A value that JSON has not, such as a date, a bigint or undefined, in words. */
function findForeign(value: unknown, depth: number): string | undefined {
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return undefined;
  assertNotPromise(value);
  if (!Array.isArray(value) && !isPlainObject(value)) {
    // Such as Date or Map.
    const type = Object.prototype.toString.call(value).slice('[object '.length, -1);
    return depth > 1 ? `${type}, ${depth} levels deep` : type;
  }
  for (const child of Object.values(value)) {
    const foreign = findForeign(child, depth + 1);
    if (foreign !== undefined) return foreign;
  }
  return undefined;
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
