import type { Data } from '../../../outbox/outbox.ts';
import type { ClientDialect } from '../dialect.ts';
import type { LocalKinds } from '../local-kinds.ts';

/** The protocol, with a `clientRequestId` in place of each `identityKey`. */
export const freightDialect: ClientDialect = {
  path: '/api/sync/events?include=results',
  write: (events, sentAt) => ({
    sentAt,
    events: events.map(({ identityKey, ...event }) => ({ clientRequestId: identityKey, ...event })),
  }),
  key: 'clientRequestId',
};

/** The kinds of src/systems/freight on a device. The server takes guarded updates only. */
export const freightKinds: LocalKinds = {
  ...document('shipment'),
  ...document('quote'),
  ...document('invoice'),
};

function document(entityType: string): LocalKinds {
  const idField = `${entityType}Id`;
  const entityId = (payload: Data) => String(payload[idField]);
  const fieldsOf = ({ [idField]: _id, ...fields }: Data) => fields;
  return {
    [`${entityType}.create`]: {
      entityType,
      entityId,
      apply: (before, payload) => before ?? fieldsOf(payload),
    },
    [`${entityType}.update`]: {
      entityType,
      entityId,
      apply: (before, payload) => before && { ...before, ...fieldsOf(payload) },
    },
  };
}
