import type { Dialect } from './dialect.ts';
import type { SentEvent } from './queue.ts';
import type { Data, LocalKinds } from './view.ts';

/** `POST /api/events` with `{id, seq, at, type, aggregate, payload}`; answers without `results`. */
export const salesDialect: Dialect = {
  path: '/api/events',
  write: (events, sentAt) => ({
    sentAt,
    events: events.map(toSalesEvent),
  }),
  key: 'id',
};

function toSalesEvent({ identityKey, sequence, occurredAt, kind, ...event }: SentEvent) {
  const { ticketId, ...payload } = event.payload;
  return {
    id: identityKey,
    seq: sequence,
    at: Date.parse(occurredAt),
    type: kind,
    aggregate: { type: 'ticket', id: ticketId },
    payload,
    version: event.version,
  };
}

const fact = {
  entityType: 'ticket',
  entityId: ({ ticketId }: Data) => String(ticketId),
  ordered: true,
};

/** The kinds of src/kinds/sales. The till shows each ticket's state; its sums are the server's. */
export const salesKinds: LocalKinds = {
  'ticket.opened': { ...fact, apply: (before, { register }) => before ?? open(register) },
  'ticket.item-added': { ...fact, apply: (before) => before },
  'ticket.closed': { ...fact, apply: (before) => before && { ...before, status: 'closed' } },
  'sale.recorded': { ...fact, apply: (before) => before },
  'sale.voided': { ...fact, apply: (before) => before },
};

const open = (register: unknown) => ({ register, status: 'open' });
