import { isObject, type JsonObject } from '../../domain/json-value.ts';
import { pushEnvelopeSchema } from '../../protocol/push.ts';
import { parseEnvelope } from '../../protocol/request.ts';
import { readIdentifier } from '../../domain/identifier.ts';
import {
  type Dialect,
  plainFieldMapping,
  type AdaptedEvent,
  refuseEvent,
  renamePaths,
} from '../../protocol/dialect.ts';
import { colonyPushSchema } from './wire.ts';
import { plain } from '../../protocol/plain-dialect.ts';

/**
 * A bare array of `{kind, payload: {identityKey, …}}`: that client's queue has a column for each of
 * the two, and keeps the key, and the kind once more, in the payload.
 */
export const colony: Dialect = {
  name: 'colony',
  kinds: ['structure.build', 'research.queue', 'unit.train'],
  matches: (body) => Array.isArray(body),
  parseEnvelope: (body) => parseEnvelope(pushEnvelopeSchema, { events: body }),
  adapt: read,
  adaptAnswer: (answer) => answer,
  description: {
    schemas: { ColonyPushRequest: { schema: colonyPushSchema, io: 'input' } },
    body: 'ColonyPushRequest',
  },
};

const fullNames = new Map<unknown, string>([
  ['structure', 'structure.build'],
  ['structures', 'structure.build'],
  ['research', 'research.queue'],
  ['unit', 'unit.train'],
  ['units', 'unit.train'],
]);
const pathOf = renamePaths([['identityKey', 'payload.identityKey']]);

function read(raw: unknown): AdaptedEvent {
  if (!isObject(raw)) return plain.adapt(raw);
  const { payload } = raw;
  if (Object.hasOwn(raw, 'identityKey')) {
    const inPayload = isObject(payload) ? readIdentifier(payload.identityKey) : null;
    return refuseEvent(inPayload ?? readIdentifier(raw.identityKey), strayKey);
  }
  return isObject(payload) ? lift(raw, payload) : spelled(raw);
}

function lift(raw: JsonObject, payload: JsonObject): AdaptedEvent {
  const kind = fullNames.get(raw.kind) ?? raw.kind;
  const { identityKey, kind: kindAgain, ...rest } = payload;
  // It is left out below, so it may not say anything that would be lost.
  if ((fullNames.get(kindAgain) ?? kindAgain ?? kind) !== kind) {
    return refuseEvent(readIdentifier(identityKey), otherKind);
  }
  return spelled({ ...raw, identityKey, kind, payload: rest });
}

function spelled(event: JsonObject): AdaptedEvent {
  return { ...plainFieldMapping, pathOf, ok: true, event };
}

const strayKey = {
  code: 'INVALID_EVENT',
  message: 'belongs in the payload where events are sent as a bare array',
  path: 'identityKey',
} as const;

const otherKind = {
  code: 'INVALID_EVENT',
  message: 'is another kind than that of the event',
  path: 'payload.kind',
} as const;
