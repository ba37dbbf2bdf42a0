import { z } from 'zod';
import type { Fields } from '../../domain/kinds/intent.ts';

const centsSchema = z.int().default(0);

const lineSchema = z.object({
  sku: z.string(),
  name: z.string(),
  quantity: z.int(),
  unitCents: z.int(),
});

/**
 * A ticket as its facts make it. The defaults are a ticket of which no fact is known; they also read
 * a record that was folded before a field was added here.
 */
const ticketStateSchema = z.object({
  status: z.enum(['unopened', 'open', 'closed']).default('unopened'),
  register: z.string().nullable().default(null),
  table: z.string().nullable().default(null),
  items: z.array(lineSchema).default([]),
  /** What was ordered. */
  itemsCents: centsSchema,
  /** Every sale ever recorded, voided ones too: what the ticket brought is paid less voided. */
  paidCents: centsSchema,
  voidedCents: centsSchema,
  paidByMethod: z.object({ cash: centsSchema, card: centsSchema, other: centsSchema }).prefault({}),
  voidReason: z.string().nullable().default(null),
});

export type TicketState = z.infer<typeof ticketStateSchema>;
type Line = z.infer<typeof lineSchema>;

/** What can happen to a ticket. */
export type TicketFact =
  | { readonly type: 'opened'; readonly register: string; readonly table?: string | undefined }
  | ({ readonly type: 'item-added' } & Readonly<Line>)
  | { readonly type: 'closed' }
  | {
      readonly type: 'paid';
      readonly totalCents: number;
      readonly method: keyof TicketState['paidByMethod'];
    }
  | { readonly type: 'voided'; readonly reason: string };

/**
 * Folds one fact into a ticket; the one `reduce` of all kinds about tickets. A fact happened, in a
 * shop that was offline, so none is refused: a sale on a ticket that was never opened counts as paid
 * and leaves the ticket `unopened`, for whoever reads the totals to see.
 *
 * @throws ZodError where `before` was not folded by this function
 */
export function foldTicket(before: Fields | undefined, fact: TicketFact): Fields {
  return addFact(ticketStateSchema.parse(before ?? {}), fact);
}

function addFact(ticket: TicketState, fact: TicketFact): TicketState {
  switch (fact.type) {
    case 'opened':
      return { ...ticket, status: 'open', register: fact.register, table: fact.table ?? null };
    case 'item-added':
      return {
        ...ticket,
        items: addLine(ticket.items, fact),
        itemsCents: ticket.itemsCents + fact.quantity * fact.unitCents,
      };
    case 'closed':
      return { ...ticket, status: 'closed' };
    case 'paid': {
      const { method, totalCents } = fact;
      const { paidByMethod } = ticket;
      return {
        ...ticket,
        paidCents: ticket.paidCents + totalCents,
        paidByMethod: { ...paidByMethod, [method]: paidByMethod[method] + totalCents },
      };
    }
    case 'voided':
      // All that was paid until now; a sale after it is a new one.
      return { ...ticket, voidedCents: ticket.paidCents, voidReason: fact.reason };
  }
}

/** The same again adds to its line, so that a ticket is as long as the menu, not as the evening. */
function addLine(items: readonly Line[], { sku, name, quantity, unitCents }: Line): Line[] {
  const same = (line: Line) =>
    line.sku === sku && line.name === name && line.unitCents === unitCents;
  if (!items.some(same)) return [...items, { sku, name, quantity, unitCents }];
  return items.map((line) => (same(line) ? { ...line, quantity: line.quantity + quantity } : line));
}
