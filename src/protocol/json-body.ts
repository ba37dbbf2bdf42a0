import { isUtf8 } from 'node:buffer';
import { RequestProblem } from '../domain/errors.ts';
import { findJsonFault, type JsonValue, maxDepth } from '../domain/json-value.ts';
import { findDuplicateMembers } from './duplicate-members.ts';

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
  const fault = findJsonFault(outsideEvents(value), maxDepth, { text: !isText, number: false });
  if (fault) throw new RequestProblem(problemCodes[fault.what]);
  if (typeof value !== 'object' || value === null) return { value, duplicateMembers: new Map() };
  const { isInBody, byEvent: ofEvents } = findDuplicateMembers(text, value);
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

const problemCodes = {
  text: 'INVALID_UTF8',
  number: 'INVALID_JSON',
  depth: 'TOO_DEEP',
  prototype: 'INVALID_JSON',
} as const;
