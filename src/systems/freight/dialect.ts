import { isObject } from '../../domain/json-value.ts';
import { readIdentifier } from '../../domain/identifier.ts';
import {
  type Dialect,
  plainFieldMapping,
  type AdaptedEvent,
  refuseEvent,
  renamePaths,
} from '../../protocol/dialect.ts';
import { freightEventSchema } from './wire.ts';
import { plain } from '../../protocol/plain-dialect.ts';

/**
 * The plain envelope, in which some events, or all, have a `clientRequestId` in place of their
 * `identityKey`. The answer names them by both.
 */
export const freight: Dialect = {
  ...plain,
  name: 'freight',
  kinds: ['shipment', 'quote', 'invoice'].flatMap((type) => [`${type}.create`, `${type}.update`]),
  matches(body) {
    const events = isObject(body) ? body.events : undefined;
    return Array.isArray(events) && events.some(hasClientRequestId);
  },
  adapt: read,
  description: {
    schemas: { FreightEvent: { schema: freightEventSchema, io: 'input' } },
    event: 'FreightEvent',
  },
};

const pathOf = renamePaths([['identityKey', 'clientRequestId']]);

function hasClientRequestId(raw: unknown): boolean {
  return isObject(raw) && Object.hasOwn(raw, 'clientRequestId');
}

function read(raw: unknown): AdaptedEvent {
  if (!isObject(raw) || !hasClientRequestId(raw)) return plain.adapt(raw);
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
  return { ...refuseEvent(readIdentifier(rest.identityKey), twoKeys), alias };
}

const twoKeys = {
  code: 'INVALID_EVENT',
  message: 'is another key than identityKey',
  path: 'clientRequestId',
} as const;
