import type { EventFailure } from './errors.ts';
import { toDottedPath } from './schema-issue.ts';

export const maxDepth = 32;

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

export interface JsonFault {
  readonly what: 'text' | 'number' | 'depth' | 'prototype';
  /** The names that lead to it, the innermost first. */
  readonly names: readonly string[];
}

/** What else is looked for, beside depth and prototypes. */
interface Checked {
  readonly text: boolean;
  readonly number: boolean;
}

const messages = {
  text: 'holds U+0000, half of a surrogate pair, or bytes that are not UTF-8',
  number: 'is not finite or beyond 2^53-1',
  depth: `is nested deeper than ${maxDepth} levels`,
  prototype: 'would set a prototype',
};

/**
 * The first fault that an event can have whatever its kind: nested deeper than 32 levels, a name that
 * would set a prototype, a text or a number that the database could not keep as it is.
 */
export function findEventFault(event: unknown): EventFailure | undefined {
  const fault = findJsonFault(event, maxDepth, { text: true, number: true });
  return fault && toFailure(fault);
}

/**
 * The same of a value that is no event, of any depth.
 *
 * @param root the path of the value
 */
export function findUnstorable(
  value: unknown,
  ...root: readonly string[]
): EventFailure | undefined {
  const fault = findJsonFault(value, Number.POSITIVE_INFINITY, { text: true, number: true });
  return fault && toFailure(fault, root);
}

/** Never deeper than `levels`, so that no text of brackets can exhaust the stack. */
export function findJsonFault(
  value: unknown,
  levels: number,
  checked: Checked,
): JsonFault | undefined {
  if (typeof value === 'string') {
    return checked.text && !isStorableText(value) ? { what: 'text', names: [] } : undefined;
  }
  if (typeof value === 'number') {
    return checked.number && !isStorableNumber(value) ? { what: 'number', names: [] } : undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (levels === 0) return { what: 'depth', names: [] };
  return Array.isArray(value)
    ? findInList(value, levels - 1, checked)
    : findInObject(value as { readonly [name: string]: unknown }, levels - 1, checked);
}

function findInList(
  list: readonly unknown[],
  levels: number,
  checked: Checked,
): JsonFault | undefined {
  for (let index = 0; index < list.length; index += 1) {
    const fault = findJsonFault(list[index], levels, checked);
    if (fault) return { ...fault, names: [...fault.names, `${index}`] };
  }
  return undefined;
}

function findInObject(
  object: { readonly [name: string]: unknown },
  levels: number,
  checked: Checked,
): JsonFault | undefined {
  for (const name of Object.keys(object)) {
    if (checked.text && !isStorableText(name)) return { what: 'text', names: [] };
    const fault = setsPrototype(name, object[name])
      ? prototypeFault
      : findJsonFault(object[name], levels, checked);
    if (fault) return { ...fault, names: [...fault.names, name] };
  }
  return undefined;
}

const prototypeFault: JsonFault = { what: 'prototype', names: [] };

/** As code that copies fields one by one, or merges them, would do with them. */
function setsPrototype(name: string, value: unknown): boolean {
  if (name === '__proto__') return true;
  if (name !== 'constructor') return false;
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype');
}

/** Pairs of surrogates too, so that one quick look is enough for nearly all texts. */
// oxlint-disable-next-line no-control-regex
const suspect = /[\0\ud800-\udfff]/;

function isStorableText(text: string): boolean {
  return !suspect.test(text) || (text.isWellFormed() && !text.includes('\u0000'));
}

function isStorableNumber(number: number): boolean {
  return Number.isFinite(number) && (!Number.isInteger(number) || Number.isSafeInteger(number));
}

const failureCodes = { text: 'INVALID_TEXT', number: 'INVALID_NUMBER' } as const;

function toFailure({ what, names }: JsonFault, root: readonly string[] = []): EventFailure {
  const from = [...root, ...names.toReversed()];
  const path = toDottedPath(from);
  const ofPlace = from[0] === 'payload' ? 'INVALID_PAYLOAD' : 'INVALID_EVENT';
  const code = what === 'text' || what === 'number' ? failureCodes[what] : ofPlace;
  return { code, message: messages[what], ...(path && { path }) };
}

export type JsonObject = { readonly [name: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
