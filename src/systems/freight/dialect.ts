import { z } from 'zod';
import { eventSchema } from '../../domain/event.ts';
import { readIdentifier } from '../../domain/identifier.ts';
import { isObject } from '../../domain/json-value.ts';
import {
  type AdaptedEvent,
  type Dialect,
  plain,
  refuseEvent,
  renamePaths,
} from '../../protocol/dialect.ts';
import { plainFieldMapping } from '../../protocol/push-answer.ts';

const { identityKey: identityKeySchema, ...otherFields } = eventSchema.shape;

/** An event of the plain envelope whose key has another name. */
export const freightEventSchema = z
  .strictObject({
    clientRequestId: identityKeySchema.nullable(),
    identityKey: identityKeySchema.nullish().describe('If it is sent too, the same value'),
    ...otherFields,
  })
  .refine((event) => (event.clientRequestId ?? event.identityKey ?? null) !== null, {
    path: ['clientRequestId'],
    message: 'clientRequestId or identityKey is required',
  });

/**
 * The plain envelope, in which some or all events have a `clientRequestId` in place of their `identityKey`. The answer
 * names such events by both.
 */
export const freight: Dialect = {
  ...plain,
  name: 'freight',
  kinds: ['shipment', 'quote', 'invoice'].flatMap((type) => [`${type}.create`, `${type}.update`]),
  shape: { eventMember: 'clientRequestId' },
  adapt: adaptEvent,
  description: {
    schemas: { FreightEvent: { schema: freightEventSchema, io: 'input' } },
    event: 'FreightEvent',
  },
};

const pathOf = renamePaths([['identityKey', 'clientRequestId']]);

function adaptEvent(raw: unknown): AdaptedEvent {
  if (!isObject(raw) || !Object.hasOwn(raw, 'clientRequestId')) return plain.adapt(raw);
  const { clientRequestId, ...rest } = raw;
  if (clientRequestId === null) return plain.adapt(rest);
  const alias = { clientRequestId: readIdentifier(clientRequestId) };
  if (rest.identityKey === undefined || rest.identityKey === null) {
    const event = { ...rest, identityKey: clientRequestId };
    return { alias, pathOf, ok: true, event };
  }
  if (rest.identityKey === clientRequestId) {
    return { ...plainFieldMapping, alias, ok: true, event: rest };
  }
  return { ...refuseEvent(readIdentifier(rest.identityKey), differentKeys), alias };
}

const differentKeys = {
  code: 'INVALID_EVENT',
  message: 'is another key than identityKey',
  path: 'clientRequestId',
} as const;
