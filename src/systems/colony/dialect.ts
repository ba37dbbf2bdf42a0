import { z } from 'zod';
import { eventSchema } from '../../domain/event.ts';
import { readIdentifier } from '../../domain/identifier.ts';
import { isObject, type JsonObject } from '../../domain/json-value.ts';
import {
  type AdaptedEvent,
  type Dialect,
  plain,
  refuseEvent,
  renamePaths,
} from '../../protocol/dialect.ts';
import { plainFieldMapping } from '../../protocol/push-answer.ts';
import { pushEnvelopeSchema } from '../../protocol/push.ts';
import { parseEnvelope } from '../../protocol/request.ts';

const { identityKey: identityKeySchema, payload: _payload, ...otherFields } = eventSchema.shape;

/** An event of a bare array. Its payload contains the key. */
export const colonyEventSchema = z.strictObject({
  ...otherFields,
  kind: z.string().describe('A registered kind, or in short `structure`, `research` or `unit`'),
  payload: z
    .looseObject({
      identityKey: identityKeySchema,
      kind: z
        .string()
        .nullish()
        .describe('The same kind again, because these clients store it there'),
    })
    .describe('The data, as the schema of the kind describes it, and the key'),
});

const colonyPushSchema = z.array(colonyEventSchema).min(1);

/**
 * A bare array of `{kind, payload: {identityKey, …}}`: the queue of these clients has one column for the kind and one
 * for the payload, and stores the key, and the kind a second time, in the payload.
 */
export const colony: Dialect = {
  name: 'colony',
  kinds: ['structure.build', 'research.queue', 'unit.train'],
  shape: 'array',
  parseEnvelope: (body) => parseEnvelope(pushEnvelopeSchema, { events: body }),
  adapt: adaptEvent,
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

function adaptEvent(raw: unknown): AdaptedEvent {
  if (!isObject(raw)) return plain.adapt(raw);
  const { payload } = raw;
  if (Object.hasOwn(raw, 'identityKey')) {
    const inPayload = isObject(payload) ? readIdentifier(payload.identityKey) : null;
    return refuseEvent(inPayload ?? readIdentifier(raw.identityKey), misplacedKey);
  }
  return isObject(payload) ? moveKey(raw, payload) : toAdapted(raw);
}

/** Moves the key from the payload to the event. */
function moveKey(raw: JsonObject, payload: JsonObject): AdaptedEvent {
  const kind = fullNames.get(raw.kind) ?? raw.kind;
  const { identityKey, kind: secondKind, ...rest } = payload;
  // The second kind is dropped, so it must not differ from the first one.
  if ((fullNames.get(secondKind) ?? secondKind ?? kind) !== kind) {
    return refuseEvent(readIdentifier(identityKey), otherKind);
  }
  return toAdapted({ ...raw, identityKey, kind, payload: rest });
}

function toAdapted(event: JsonObject): AdaptedEvent {
  return { ...plainFieldMapping, pathOf, ok: true, event };
}

const misplacedKey = {
  code: 'INVALID_EVENT',
  message: 'belongs in the payload if events are sent as a bare array',
  path: 'identityKey',
} as const;

const otherKind = {
  code: 'INVALID_EVENT',
  message: 'is another kind than the kind of the event',
  path: 'payload.kind',
} as const;
