import type { Dialect } from './dialect.ts';
import type { Data, LocalKinds } from './view.ts';

/** Names each queued request by a `clientRequestId`. */
export const freightDialect: Dialect = {
  path: '/api/sync/events?include=results',
  write: (events, sentAt) => ({
    sentAt,
    events: events.map(({ identityKey, ...event }) => ({ clientRequestId: identityKey, ...event })),
  }),
  key: 'clientRequestId',
};

/** The kinds of src/kinds/freight; updates have to be enqueued `guarded`. */
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
