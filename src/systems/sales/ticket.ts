import { z } from 'zod';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind } from '../../domain/kinds/define-kind.ts';
import { payload } from '../../domain/kinds/schema-versions.ts';
import { append } from '../../domain/kinds/policies/append.ts';
import { foldTicket } from './ticket-state.ts';

const openedSchema = z.strictObject({
  ticketId: identifierSchema,
  register: identifierSchema,
  table: identifierSchema.optional(),
});

const itemAddedSchema = z.strictObject({
  ticketId: identifierSchema,
  sku: identifierSchema,
  name: z.string().max(200),
  quantity: z.int().min(1).max(1_000),
  unitCents: z.int().min(0).max(10_000_000),
});

const closedSchema = openedSchema.pick({ ticketId: true });

/**
 * A ticket was opened at a register. All facts of a ticket, here and in sale.ts, have a `sequence`, so that they are
 * folded in the order in which they happened and not in the order of arrival.
 */
export const ticketOpened = defineKind({
  name: 'ticket.opened',
  entityType: 'ticket',
  payload: payload(openedSchema),
  entityId: (fact) => fact.ticketId,
  policy: append((before, { register, table }) =>
    foldTicket(before, { type: 'opened', register, table }),
  ),
  ordered: true,
});

/** An item was ordered. */
export const ticketItemAdded = defineKind({
  name: 'ticket.item-added',
  entityType: 'ticket',
  payload: payload(itemAddedSchema),
  entityId: (fact) => fact.ticketId,
  policy: append((before, fact) => foldTicket(before, { type: 'item-added', ...fact })),
  ordered: true,
});

/** The guests left. Later facts still count. */
export const ticketClosed = defineKind({
  name: 'ticket.closed',
  entityType: 'ticket',
  payload: payload(closedSchema),
  entityId: (fact) => fact.ticketId,
  policy: append((before) => foldTicket(before, { type: 'closed' })),
  ordered: true,
});
