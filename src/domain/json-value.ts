import type { z } from 'zod';
import type { EventFailure } from './errors.ts';

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

export type JsonObject = { readonly [name: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const maxDepth = 32;

export interface JsonFault {
  readonly what: 'text' | 'number' | 'depth' | 'prototype';
  /** The names that lead to the faulty value, the innermost first. */
  readonly names: readonly string[];
}

/** What is checked beside depth and prototypes. */
interface Checks {
  readonly text: boolean;
  readonly number: boolean;
}

const messages = {
  text: 'contains U+0000, half of a surrogate pair, or bytes that are not UTF-8',
  number: 'is not finite or beyond 2^53-1',
  depth: `is nested deeper than ${maxDepth} levels`,
  prototype: 'would set a prototype',
};

/**
 * The first fault that makes an event invalid whatever its kind: it is nested deeper than 32 levels, it has a name
 * that would set a prototype, or it contains a text or a number that the database cannot store unchanged.
 */
export function findUnsafeJson(event: unknown): EventFailure | undefined {
  const fault = findJsonFault(event, maxDepth, { text: true, number: true });
  return fault && toFailure(fault);
}

/**
 * The first fault that makes a value impossible to store. The value may have any depth.
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

/** @param levels how deep the value may be nested. The search stops there, so that it cannot exhaust the stack. */
export function findJsonFault(
  value: unknown,
  levels: number,
  checks: Checks,
): JsonFault | undefined {
  if (typeof value === 'string') {
    return checks.text && !isStorableText(value) ? { what: 'text', names: [] } : undefined;
  }
  if (typeof value === 'number') {
    return checks.number && !isStorableNumber(value) ? { what: 'number', names: [] } : undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (levels === 0) return { what: 'depth', names: [] };
  return Array.isArray(value)
    ? findInList(value, levels - 1, checks)
    : findInObject(value as JsonObject, levels - 1, checks);
}

function findInList(
  list: readonly unknown[],
  levels: number,
  checks: Checks,
): JsonFault | undefined {
  for (let index = 0; index < list.length; index += 1) {
    const fault = findJsonFault(list[index], levels, checks);
    if (fault) return { ...fault, names: [...fault.names, `${index}`] };
  }
  return undefined;
}

function findInObject(object: JsonObject, levels: number, checks: Checks): JsonFault | undefined {
  for (const name of Object.keys(object)) {
    if (checks.text && !isStorableText(name)) return { what: 'text', names: [] };
    const fault = setsPrototype(name, object[name])
      ? prototypeFault
      : findJsonFault(object[name], levels, checks);
    if (fault) return { ...fault, names: [...fault.names, name] };
  }
  return undefined;
}

const prototypeFault: JsonFault = { what: 'prototype', names: [] };

/** Whether code that copies or merges fields one by one would change a prototype. */
function setsPrototype(name: string, value: unknown): boolean {
  if (name === '__proto__') return true;
  if (name !== 'constructor') return false;
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype');
}

/** Also matches complete surrogate pairs. This one quick test is enough for nearly all texts. */
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
  const fullPath = [...root, ...names.toReversed()];
  const path = toDottedPath(fullPath);
  const structureCode = fullPath[0] === 'payload' ? 'INVALID_PAYLOAD' : 'INVALID_EVENT';
  const code = what === 'text' || what === 'number' ? failureCodes[what] : structureCode;
  return { code, message: messages[what], ...(path && { path }) };
}

export interface SchemaIssue {
  readonly message: string;
  /** Dotted path of the field at fault; absent if it is the whole value. */
  readonly path?: string;
}

/**
 * The first issue that Zod found, as an answer reports it. One issue is enough to correct the value, and Zod reports
 * issues in the order of the schema. An unknown field is named like any other.
 *
 * @param root the path of the value that was checked
 */
export function describeFirstIssue(error: z.ZodError, ...root: readonly string[]): SchemaIssue {
  const [issue] = error.issues;
  if (!issue) throw new Error('Zod reported an error without an issue');
  const unknownField = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const path = toDottedPath([...root, ...issue.path, ...unknownField]);
  const message = unknownField.length > 0 ? 'is not a known field' : issue.message;
  return path === '' ? { message } : { message, path };
}

const maxTextLength = 500;

/** Shortened, because a client can send names of any length. */
export function toDottedPath(names: readonly PropertyKey[]): string {
  return shortenText(names.join('.'));
}

/** At most 500 characters, followed by an ellipsis if the text was longer. */
export function shortenText(text: string): string {
  return text.length > maxTextLength ? `${text.slice(0, maxTextLength).toWellFormed()}…` : text;
}
