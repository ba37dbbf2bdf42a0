import type { z } from 'zod';
import type { EventFailure } from '../domain/errors.ts';
import { readIdentityKey } from '../domain/event.ts';
import { toDottedPath } from '../domain/json-value.ts';
import {
  type FieldMapping,
  plainFieldMapping,
  type PrintableAnswer,
  type UnprintedAnswer,
} from './push-answer.ts';
import { type PushEnvelope, pushEnvelopeSchema } from './push.ts';
import { parseEnvelope } from './request.ts';

/**
 * How one family of clients writes requests and answers of the protocol. A dialect is a pure translation of what
 * arrives and of what is sent. Deciding and storing do not know dialects.
 */
export interface Dialect {
  readonly name: string;
  /** The kinds that its clients send. The dialect is enabled if the service has one of them. */
  readonly kinds: readonly string[];
  /** How to recognize its requests to `POST /api/sync/events`. Undefined for a dialect with its own route. */
  readonly shape?: RequestShape;
  /** @throws RequestProblem INVALID_ENVELOPE */
  readonly parseEnvelope: (body: unknown) => PushEnvelope;
  /** Translates one element of `events`, which can be any JSON value, to the protocol's words. Never throws. */
  readonly adapt: (raw: unknown) => AdaptedEvent;
  readonly adaptAnswer: (answer: UnprintedAnswer) => PrintableAnswer;
  readonly description: DialectDescription;
}

/** A body that is a bare array, or an envelope in which at least one event has this member. */
export type RequestShape = 'array' | { readonly eventMember: string };

/** How the API document describes a dialect. */
export interface DialectDescription {
  /** Its own schemas, by the name of their component. */
  readonly schemas: Readonly<Record<string, DialectSchema>>;
  /** The component of an event that is allowed in the protocol's own envelope. */
  readonly event?: string;
  /** The component of a body that `POST /api/sync/events` accepts beside the protocol's own. */
  readonly body?: string;
  /** The route of its clients, if it is not `POST /api/sync/events`. */
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
  /** The component of its request. */
  readonly body: string;
  /** The component of its answer. */
  readonly answer: string;
}

/** An event in the protocol's words, not validated yet, or the reason why it cannot be translated. */
export type AdaptedEvent = FieldMapping &
  (
    | { readonly ok: true; readonly event: unknown }
    | { readonly ok: false; readonly identityKey: string | null; readonly failure: EventFailure }
  );

/** The protocol's own words. */
export const plain: Dialect = {
  name: 'plain',
  // It is always enabled.
  kinds: [],
  parseEnvelope: (body) => parseEnvelope(pushEnvelopeSchema, body),
  adapt: (raw) => ({ ...plainFieldMapping, ok: true, event: raw }),
  adaptAnswer: (answer) => answer,
  description: { schemas: {} },
};

/** @param failure with the path in the client's words */
export function refuseEvent(identityKey: string | null, failure: EventFailure): AdaptedEvent {
  return { ...plainFieldMapping, ok: false, identityKey, failure };
}

const keyNames: ReadonlySet<string> = new Set(['identityKey', 'clientRequestId', 'id']);

/**
 * Refuses an event that has a member twice. If the member is its key, the server cannot know which of the two values
 * the client uses. Then the answer names the event by its index in the request.
 */
export function refuseDuplicateMember(event: AdaptedEvent, member: string): AdaptedEvent {
  const failure = {
    code: 'INVALID_EVENT',
    message: 'is sent twice',
    path: toDottedPath([member]),
  } as const;
  if (keyNames.has(member)) return refuseEvent(null, failure);
  const identityKey = event.ok ? readIdentityKey(event.event) : event.identityKey;
  return { ...refuseEvent(identityKey, failure), alias: event.alias };
}

/** @param names pairs of dotted paths: the protocol's and the client's */
export function renamePaths(
  names: readonly (readonly [ours: string, theirs: string])[],
): FieldMapping['pathOf'] {
  return (path) => {
    const found = names.find(([ours]) => path === ours || path.startsWith(`${ours}.`));
    return found ? found[1] + path.slice(found[0].length) : path;
  };
}
