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
 * A ticket as the fold of its facts. The defaults are a ticket without any fact. They also fill the fields that a record
 * does not have because it was folded by an older release.
 */
const ticketStateSchema = z.object({
  status: z.enum(['unopened', 'open', 'closed']).default('unopened'),
  register: z.string().nullable().default(null),
  table: z.string().nullable().default(null),
  items: z.array(lineSchema).default([]),
  /** The sum of what was ordered. */
  itemsCents: centsSchema,
  /** The sum of all sales, including voided ones. The revenue of the ticket is paidCents minus voidedCents. */
  paidCents: centsSchema,
  voidedCents: centsSchema,
  paidByMethod: z.object({ cash: centsSchema, card: centsSchema, other: centsSchema }).prefault({}),
  voidReason: z.string().nullable().default(null),
});

export type TicketState = z.infer<typeof ticketStateSchema>;
type Line = z.infer<typeof lineSchema>;

/** A fact about a ticket. */
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
 * Folds one fact into a ticket. All kinds about tickets use this function. A fact happened already, in a shop that was
 * offline, so no fact is refused: a sale on a ticket that was never opened counts as paid, and the ticket keeps the
 * status `unopened`, which a reader of the totals can see.
 *
 * @throws ZodError if `before` was not made by this function
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
      // Everything that was paid so far. A later sale counts again.
      return { ...ticket, voidedCents: ticket.paidCents, voidReason: fact.reason };
  }
}

/** The same item again is added to its line, so that the length of a ticket is limited by the menu. */
function addLine(items: readonly Line[], { sku, name, quantity, unitCents }: Line): Line[] {
  const isSame = (line: Line) =>
    line.sku === sku && line.name === name && line.unitCents === unitCents;
  if (!items.some(isSame)) return [...items, { sku, name, quantity, unitCents }];
  return items.map((line) =>
    isSame(line) ? { ...line, quantity: line.quantity + quantity } : line,
  );
}
