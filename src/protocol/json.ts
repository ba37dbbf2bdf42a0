import { isUtf8 } from 'node:buffer';
import { type EventFailure, RequestProblem } from '../errors.ts';
import { findDuplicateMembers } from './duplicate-members.ts';
import { toPath } from './issue.ts';

const maxDepth = 32;

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

export interface ParsedBody {
  /** Its events are not checked yet, and may be nested without end: see findEventFault. */
  readonly value: JsonValue;
  /** Of the events that have a member twice, the name of that member, by their index. */
  readonly duplicateMembers: ReadonlyMap<number, string>;
}

/**
 * Reads a request body. What is wrong within an event is that event's fault alone, so only what lies
 * outside `events` is checked here. Within an event, bytes that are not UTF-8 become half of a
 * surrogate pair, which findEventFault finds.
 *
 * @throws RequestProblem INVALID_UTF8, INVALID_JSON or TOO_DEEP
 */
export function parseJsonBody(body: Buffer): ParsedBody {
  const isText = isUtf8(body);
  const text = withoutByteOrderMark(isText ? body.toString('utf8') : decodeInvalid(body));
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RequestProblem(isText ? 'INVALID_JSON' : 'INVALID_UTF8');
  }
  const fault = findFault(outsideEvents(value), maxDepth, { text: !isText, number: false });
  if (fault) throw new RequestProblem(problemCodes[fault.what]);
  if (typeof value !== 'object' || value === null) return { value, duplicateMembers: new Map() };
  const { isInBody, ofEvents } = findDuplicateMembers(text, value);
  if (isInBody) throw new RequestProblem('INVALID_JSON');
  return { value, duplicateMembers: ofEvents };
}

function withoutByteOrderMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}

/** Two first halves: whatever stands before or behind them, one of the two stays without its other half. */
const invalidBytes = '\uD800\uD800';

/**
 * Decodes a body that is not UTF-8. A decoder writes U+FFFD for invalid bytes, which may also be
 * what another event says, so those are kept out of its hands.
 */
function decodeInvalid(body: Buffer): string {
  const replacement = Buffer.from('\uFFFD').toString('latin1');
  const parts = body.toString('latin1').split(replacement);
  return parts
    .map((part) => Buffer.from(part, 'latin1').toString('utf8').replaceAll('\uFFFD', invalidBytes))
    .join('\uFFFD');
}

/** The body without its events, where it has a list of them. */
function outsideEvents(body: JsonValue): JsonValue {
  if (typeof body !== 'object' || body === null) return body;
  if (Array.isArray(body)) return null;
  const { events, ...rest } = body as { readonly [key: string]: JsonValue };
  return Array.isArray(events) ? rest : body;
}

interface Fault {
  readonly what: 'text' | 'number' | 'depth' | 'prototype';
  /** The names that lead to it, the innermost first. */
  readonly names: readonly string[];
}

/** What else is looked for, beside depth and prototypes. */
interface Checked {
  readonly text: boolean;
  readonly number: boolean;
}

const problemCodes = {
  text: 'INVALID_UTF8',
  number: 'INVALID_JSON',
  depth: 'TOO_DEEP',
  prototype: 'INVALID_JSON',
} as const;

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
  const fault = findFault(event, maxDepth, { text: true, number: true });
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
  const fault = findFault(value, Number.POSITIVE_INFINITY, { text: true, number: true });
  return fault && toFailure(fault, root);
}

/** Never deeper than `levels`, so that no text of brackets can exhaust the stack. */
function findFault(value: unknown, levels: number, checked: Checked): Fault | undefined {
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

function findInList(list: readonly unknown[], levels: number, checked: Checked): Fault | undefined {
  for (let index = 0; index < list.length; index += 1) {
    const fault = findFault(list[index], levels, checked);
    if (fault) return { ...fault, names: [...fault.names, `${index}`] };
  }
  return undefined;
}

function findInObject(
  object: { readonly [name: string]: unknown },
  levels: number,
  checked: Checked,
): Fault | undefined {
  for (const name of Object.keys(object)) {
    if (checked.text && !isStorableText(name)) return { what: 'text', names: [] };
    const fault = setsPrototype(name, object[name])
      ? prototypeFault
      : findFault(object[name], levels, checked);
    if (fault) return { ...fault, names: [...fault.names, name] };
  }
  return undefined;
}

const prototypeFault: Fault = { what: 'prototype', names: [] };

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

function toFailure({ what, names }: Fault, root: readonly string[] = []): EventFailure {
  const from = [...root, ...names.toReversed()];
  const path = toPath(from);
  const ofPlace = from[0] === 'payload' ? 'INVALID_PAYLOAD' : 'INVALID_EVENT';
  const code = what === 'text' || what === 'number' ? failureCodes[what] : ofPlace;
  return { code, message: messages[what], ...(path && { path }) };
}
