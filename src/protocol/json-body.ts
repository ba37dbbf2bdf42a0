import { isUtf8 } from 'node:buffer';
import { RequestProblem } from '../domain/errors.ts';
import { findJsonFault, type JsonValue, maxDepth } from '../domain/json-value.ts';

export interface ParsedBody {
  /** Its events are not checked yet, and may have any depth: see findUnsafeJson. */
  readonly value: JsonValue;
  /** The name of a member that an event has twice, by the index of the event. */
  readonly duplicateMembers: ReadonlyMap<number, string>;
}

/**
 * Parses a request body. A fault within an event concerns that event only, so only the JSON outside `events` is
 * checked here. Within an event, bytes that are not UTF-8 become half of a surrogate pair, which findUnsafeJson finds.
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
  const fault = findJsonFault(outsideEvents(value), maxDepth, { text: !isText, number: false });
  if (fault) throw new RequestProblem(problemCodes[fault.what]);
  if (typeof value !== 'object' || value === null) return { value, duplicateMembers: new Map() };
  const { isInBody, byEvent } = findDuplicateMembers(text, value);
  if (isInBody) throw new RequestProblem('INVALID_JSON');
  return { value, duplicateMembers: byEvent };
}

function withoutByteOrderMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}

/** Two first halves of surrogate pairs. Whatever is before or after them, one of the two stays incomplete. */
const invalidBytes = '\uD800\uD800';

/**
 * Decodes a body that is not UTF-8. A decoder replaces invalid bytes by U+FFFD. Valid text can contain U+FFFD too, so
 * the body is split at these before it is decoded.
 */
function decodeInvalid(body: Buffer): string {
  const replacement = Buffer.from('\uFFFD').toString('latin1');
  const parts = body.toString('latin1').split(replacement);
  return parts
    .map((part) => Buffer.from(part, 'latin1').toString('utf8').replaceAll('\uFFFD', invalidBytes))
    .join('\uFFFD');
}

/** The body without its list of events, if it has one. */
function outsideEvents(body: JsonValue): JsonValue {
  if (typeof body !== 'object' || body === null) return body;
  if (Array.isArray(body)) return null;
  const { events, ...rest } = body as { readonly [key: string]: JsonValue };
  return Array.isArray(events) ? rest : body;
}

const problemCodes = {
  text: 'INVALID_UTF8',
  number: 'INVALID_JSON',
  depth: 'TOO_DEEP',
  prototype: 'INVALID_JSON',
} as const;

/** Members that occur twice in one object. JSON.parse silently keeps the last one. */
interface DuplicateMembers {
  /** Whether the body itself has such a member. */
  readonly isInBody: boolean;
  /** The first such member of an event, by the index of the event. */
  readonly byEvent: ReadonlyMap<number, string>;
}

const quote = '"'.charCodeAt(0);
const backslash = '\\'.charCodeAt(0);
const comma = ','.charCodeAt(0);
const colon = ':'.charCodeAt(0);
const openList = '['.charCodeAt(0);
const openObject = '{'.charCodeAt(0);
const closeList = ']'.charCodeAt(0);
const closeObject = '}'.charCodeAt(0);

/**
 * Finds the members that occur twice in a body, or in one of its events (not deeper). It counts the members in the
 * text, and compares the count with the number of parsed members. To read their names would take as long as to parse
 * the body again.
 *
 * @param text JSON, as it was sent
 * @param body the result of JSON.parse: a list of events, or an object that may have `events`
 */
function findDuplicateMembers(text: string, body: object): DuplicateMembers {
  const isList = Array.isArray(body);
  const names = isList ? [] : Object.keys(body);
  const events = (isList ? body : Reflect.get(body, 'events')) as readonly unknown[] | undefined;
  const listDepth = isList ? 1 : 2;
  // Object.keys lists names that are numbers first, in any order of the text. A body with such a name is refused anyway.
  const listMember = names.indexOf('events') + 1;
  const byEvent = new Map<number, string>();
  let depth = 0;
  let members = 0;
  let index = 0;
  let eventStart = 0;
  let eventMembers = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = endOfString(text, at);
    } else if (code === colon) {
      if (depth === 1) members += 1;
      else if (depth === listDepth + 1) eventMembers += 1;
    } else if (code === comma) {
      if (depth === listDepth && members === listMember) index += 1;
    } else if (code === openObject || code === openList) {
      depth += 1;
      if (depth === listDepth + 1) {
        eventStart = at;
        eventMembers = 0;
      }
    } else if (code === closeObject || code === closeList) {
      const isEvent = depth === listDepth + 1 && members === listMember;
      if (isEvent && code === closeObject && countMembers(events?.[index]) !== eventMembers) {
        byEvent.set(index, firstDuplicate(text.slice(eventStart, at + 1)));
      }
      depth -= 1;
    }
  }
  return { isInBody: members !== names.length, byEvent };
}

/** @returns the index of the quote that ends the string which starts at `start` */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end;
}

function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (text.charCodeAt(before) === backslash) before -= 1;
  return (at - before) % 2 === 0;
}

function countMembers(event: unknown): number {
  return typeof event === 'object' && event !== null ? Object.keys(event).length : 0;
}

/** @param object JSON of an object that has a member twice */
function firstDuplicate(object: string): string {
  const names = new Set<string>();
  let depth = 0;
  let name = '';
  for (let at = 0; at < object.length; at += 1) {
    const code = object.charCodeAt(at);
    if (code === quote) {
      const end = endOfString(object, at);
      if (depth === 1) name = object.slice(at, end + 1);
      at = end;
    } else if (code === openObject || code === openList) {
      depth += 1;
    } else if (code === closeObject || code === closeList) {
      depth -= 1;
    } else if (code === colon && depth === 1) {
      const parsed = String(JSON.parse(name));
      if (names.has(parsed)) return parsed;
      names.add(parsed);
    }
  }
  throw new Error('the object has no member twice');
}
