import type { Data, LocalEdit, WireEvent } from '../../../outbox/outbox.ts';
import type { TestDevice } from '../../test-device.ts';
import type { ClientDialect } from '../dialect.ts';
import type { LocalKinds } from '../local-kinds.ts';

/** A fact about a ticket. `sequence` is its number where another register recorded the last fact. */
export type TicketEdit = LocalEdit & { readonly sequence?: number };

/** `POST /api/events` with `{id, seq, at, type, aggregate, payload}`. The answers have no `results`. */
export const salesDialect: ClientDialect = {
  path: '/api/events',
  write: (events, sentAt) => ({
    sentAt,
    events: events.map(toSalesEvent),
  }),
  key: 'id',
};

function toSalesEvent({
  identityKey,
  sequence,
  occurredAt,
  kind,
  ...event
}: WireEvent & TicketEdit) {
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

/** Queues a fact under the next number of its ticket. @returns its identityKey */
export function enqueueFact({ outbox, enqueue }: TestDevice, fact: TicketEdit): string {
  const { database } = outbox;
  let identityKey = '';
  // The number and the fact are stored together: a crash leaves no gap.
  database.transaction(() => {
    database.run('CREATE TABLE IF NOT EXISTS tickets (id TEXT PRIMARY KEY, last INTEGER NOT NULL)');
    const { sequence } = database.get(
      `INSERT INTO tickets VALUES (?1, coalesce(?2, 1))
       ON CONFLICT DO UPDATE SET last = coalesce(?2, last + 1) RETURNING last AS sequence`,
      String(fact.payload.ticketId),
      fact.sequence ?? null,
    );
    const numbered: TicketEdit = { ...fact, sequence: Number(sequence) };
    identityKey = enqueue(numbered);
  });
  return identityKey;
}

const ticket = {
  entityType: 'ticket',
  entityId: ({ ticketId }: Data) => String(ticketId),
};

/** The kinds of src/systems/sales on a register. It shows each ticket's state; the server adds up. */
export const salesKinds: LocalKinds = {
  'ticket.opened': { ...ticket, apply: (before, { register }) => before ?? open(register) },
  'ticket.item-added': { ...ticket, apply: (before) => before },
  'ticket.closed': { ...ticket, apply: (before) => before && { ...before, status: 'closed' } },
  'sale.recorded': { ...ticket, apply: (before) => before },
  'sale.voided': { ...ticket, apply: (before) => before },
};

const open = (register: unknown) => ({ register, status: 'open' });
