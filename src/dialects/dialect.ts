import type { EventFailure } from '../errors.ts';
import { toPath } from '../protocol/issue.ts';
import type { PushAnswer, PushEnvelope } from '../protocol/push.ts';
import type { Unprinted } from '../protocol/push-answer.ts';
import type { SalesPushAnswer } from '../protocol/sales.ts';
import { readIdentifier } from '../protocol/text.ts';

/**
 * How one family of clients writes what the protocol says. A pure translation on the way in and on
 * the way out: what happens in between knows nothing of it.
 */
export interface Dialect {
  readonly name: 'plain' | 'colony' | 'freight' | 'sales';
  /** What its clients send: it is on where one of these kinds is there. */
  readonly kinds: readonly string[];
  /** @throws RequestProblem INVALID_ENVELOPE */
  readonly envelopeOf: (body: unknown) => PushEnvelope;
  /** Puts one element of `events` into the protocol's words, whatever it is. Never throws. */
  readonly read: (raw: unknown) => Reading;
  readonly answerOf: (
    answer: Unprinted<PushAnswer>,
  ) => Unprinted<PushAnswer> | Unprinted<SalesPushAnswer>;
}

/** An event in the protocol's words, unchecked, or why it cannot be put into them. */
export type Reading = Spelling &
  (
    | { readonly ok: true; readonly event: unknown }
    | { readonly ok: false; readonly identityKey: string | null; readonly failure: EventFailure }
  );

/** How the answer speaks of one event to the client that sent it. */
export interface Spelling {
  /** Members that name the event beside its identityKey. */
  readonly alias: { readonly clientRequestId?: string | null };
  /** From a path in the protocol's words to the same place in the client's. */
  readonly pathOf: (path: string) => string;
}

/** That of an event which was sent in the protocol's own words. */
export const plainSpelling: Spelling = { alias: {}, pathOf: (path) => path };

/** @param failure with the path in the client's words */
export function refuse(identityKey: string | null, failure: EventFailure): Reading {
  return { ...plainSpelling, ok: false, identityKey, failure };
}

const keyNames: ReadonlySet<string> = new Set(['identityKey', 'clientRequestId', 'id']);

/**
 * Refuses an event of which a member stands twice. Where that is its key, nobody can say by which of
 * the two the client knows it: then its place in the request names it.
 */
export function refuseDuplicate(reading: Reading, member: string): Reading {
  const failure = {
    code: 'INVALID_EVENT',
    message: 'is there twice',
    path: toPath([member]),
  } as const;
  if (keyNames.has(member)) return refuse(null, failure);
  const identityKey = reading.ok ? keyOf(reading.event) : reading.identityKey;
  return { ...refuse(identityKey, failure), alias: reading.alias };
}

/** The key of an event in the protocol's words, where it has a readable one. */
export function keyOf(event: unknown): string | null {
  return isObject(event) ? readIdentifier(event.identityKey) : null;
}

/** @param names pairs of dotted paths, the protocol's and the client's */
export function renaming(
  names: readonly (readonly [ours: string, theirs: string])[],
): Spelling['pathOf'] {
  return (path) => {
    const found = names.find(([ours]) => path === ours || path.startsWith(`${ours}.`));
    return found ? found[1] + path.slice(found[0].length) : path;
  };
}

export type JsonObject = { readonly [name: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
