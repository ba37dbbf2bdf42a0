import type { z } from 'zod';
import type { EventFailure } from '../domain/errors.ts';
import { toDottedPath } from '../domain/schema-issue.ts';
import type { PushAnswer, PushEnvelope } from './push.ts';
import type { PrintableAnswer, UnprintedAnswer } from './print-push-answer.ts';
import { readIdentityKey } from '../domain/event.ts';

/**
 * How one family of clients writes what the protocol says. A pure translation on the way in and on
 * the way out: what happens in between knows nothing of it.
 */
export interface Dialect {
  readonly name: string;
  /** What its clients send: it is on where one of these kinds is there. */
  readonly kinds: readonly string[];
  /** Whether a body of `POST /api/sync/events` is written in it; never where it has its own route. */
  readonly matches: (body: unknown) => boolean;
  /** @throws RequestProblem INVALID_ENVELOPE */
  readonly parseEnvelope: (body: unknown) => PushEnvelope;
  /** Puts one element of `events` into the protocol's words, whatever it is. Never throws. */
  readonly adapt: (raw: unknown) => AdaptedEvent;
  readonly adaptAnswer: (answer: UnprintedAnswer<PushAnswer>) => PrintableAnswer;
  readonly description: DialectDescription;
}

/** How the API document shows a dialect. */
export interface DialectDescription {
  /** Its own schemas, by the name of their component. */
  readonly schemas: Readonly<Record<string, DialectSchema>>;
  /** The component of an event that may stand in the protocol's own envelope. */
  readonly event?: string;
  /** The component of a body that `POST /api/sync/events` takes beside the protocol's own. */
  readonly body?: string;
  /** Where its clients post, if not to `POST /api/sync/events`. */
  readonly route?: DialectRoute;
}

export interface DialectSchema {
  readonly schema: z.ZodType;
  readonly io: 'input' | 'output';
}

export interface DialectRoute {
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  /** The components of its request and of its answer. */
  readonly body: string;
  readonly answer: string;
}

/** An event in the protocol's words, unchecked, or why it cannot be put into them. */
export type AdaptedEvent = FieldMapping &
  (
    | { readonly ok: true; readonly event: unknown }
    | { readonly ok: false; readonly identityKey: string | null; readonly failure: EventFailure }
  );

/** How the answer speaks of one event to the client that sent it. */
export interface FieldMapping {
  /** Members that name the event beside its identityKey. */
  readonly alias: { readonly clientRequestId?: string | null };
  /** From a path in the protocol's words to the same place in the client's. */
  readonly pathOf: (path: string) => string;
}

/** That of an event which was sent in the protocol's own words. */
export const plainFieldMapping: FieldMapping = { alias: {}, pathOf: (path) => path };

/** @param failure with the path in the client's words */
export function refuseEvent(identityKey: string | null, failure: EventFailure): AdaptedEvent {
  return { ...plainFieldMapping, ok: false, identityKey, failure };
}

const keyNames: ReadonlySet<string> = new Set(['identityKey', 'clientRequestId', 'id']);

/**
 * Refuses an event of which a member stands twice. Where that is its key, nobody can say by which of
 * the two the client knows it: then its place in the request names it.
 */
export function refuseDuplicateMember(reading: AdaptedEvent, member: string): AdaptedEvent {
  const failure = {
    code: 'INVALID_EVENT',
    message: 'is there twice',
    path: toDottedPath([member]),
  } as const;
  if (keyNames.has(member)) return refuseEvent(null, failure);
  const identityKey = reading.ok ? readIdentityKey(reading.event) : reading.identityKey;
  return { ...refuseEvent(identityKey, failure), alias: reading.alias };
}

/** @param names pairs of dotted paths, the protocol's and the client's */
export function renamePaths(
  names: readonly (readonly [ours: string, theirs: string])[],
): FieldMapping['pathOf'] {
  return (path) => {
    const found = names.find(([ours]) => path === ours || path.startsWith(`${ours}.`));
    return found ? found[1] + path.slice(found[0].length) : path;
  };
}
