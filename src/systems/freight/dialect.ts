import { isObject } from '../../domain/json-value.ts';
import { readIdentifier } from '../../domain/identifier.ts';
import {
  type Dialect,
  plainSpelling,
  type Reading,
  refuse,
  renaming,
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
  isWrittenIn(body) {
    const events = isObject(body) ? body.events : undefined;
    return Array.isArray(events) && events.some(hasClientRequestId);
  },
  read,
  described: {
    schemas: { FreightEvent: { schema: freightEventSchema, io: 'input' } },
    event: 'FreightEvent',
  },
};

const pathOf = renaming([['identityKey', 'clientRequestId']]);

function hasClientRequestId(raw: unknown): boolean {
  return isObject(raw) && Object.hasOwn(raw, 'clientRequestId');
}

function read(raw: unknown): Reading {
  if (!isObject(raw) || !hasClientRequestId(raw)) return plain.read(raw);
  const { clientRequestId, ...rest } = raw;
  if (clientRequestId === null) return plain.read(rest);
  const alias = { clientRequestId: readIdentifier(clientRequestId) };
  if (rest.identityKey === undefined || rest.identityKey === null) {
    const event = { ...rest, identityKey: clientRequestId };
    return { alias, pathOf, ok: true, event };
  }
  if (rest.identityKey === clientRequestId) {
    return { ...plainSpelling, alias, ok: true, event: rest };
  }
  return { ...refuse(readIdentifier(rest.identityKey), twoKeys), alias };
}

const twoKeys = {
  code: 'INVALID_EVENT',
  message: 'is another key than identityKey',
  path: 'clientRequestId',
} as const;
