/** Members that stand twice. JSON.parse keeps the last of them, and says nothing. */
export interface DuplicateMembers {
  /** Whether a member of the body itself does. */
  readonly isInBody: boolean;
  /** The first such member of an event, by the event's index. */
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
 * Finds the members that stand twice in a body, or in one of its events (not deeper). It counts the
 * members in the text, and compares that with how many were parsed: to read their names would cost
 * as much as to parse the body again.
 *
 * @param text JSON, as it was sent
 * @param body what JSON.parse made of it: a list of events, or an object that may have `events`
 */
export function findDuplicateMembers(text: string, body: object): DuplicateMembers {
  const isList = Array.isArray(body);
  const names = isList ? [] : Object.keys(body);
  const events = (isList ? body : Reflect.get(body, 'events')) as readonly unknown[] | undefined;
  const listDepth = isList ? 1 : 2;
  // Names that are numbers come first, wherever they stood. A body that has one is refused anyway.
  const listMember = names.indexOf('events') + 1;
  const ofEvents = new Map<number, string>();
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
        ofEvents.set(index, firstDuplicate(text.slice(eventStart, at + 1)));
      }
      depth -= 1;
    }
  }
  return { isInBody: members !== names.length, byEvent: ofEvents };
}

/** @returns where the string that begins at `start` ends */
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

/** @param object JSON of an object of which one member stands twice */
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
  throw new Error('no member stands twice');
}
