import fc from 'fast-check';
import type { HistoryEntry } from '../../../../src/protocol/history.ts';
import type { TicketEdit } from './client.ts';

export const ticketsADay = 30;

export type Register = 'front' | 'bar';

interface Ticket {
  readonly register: Register;
  readonly items: readonly { quantity: number; unitCents: number }[];
  readonly method: 'cash' | 'card' | 'other';
  readonly voided: boolean;
  /** The guests pay at the other register. The first one told it how many facts there are. */
  readonly isHandedOver: boolean;
}

/** A fact, and the register that recorded it. */
export interface RecordedFact {
  readonly register: Register;
  readonly edit: TicketEdit;
}

const ticketArbitrary: fc.Arbitrary<Ticket> = fc.record({
  register: fc.constantFrom('front', 'bar'),
  items: fc.array(
    fc.record({ quantity: fc.integer({ min: 1, max: 9 }), unitCents: fc.nat(5_000) }),
    { minLength: 1, maxLength: 5 },
  ),
  method: fc.constantFrom('cash', 'card', 'other'),
  voided: fc.boolean(),
  isHandedOver: fc.boolean(),
});

/** All facts of a day in a shop with two registers and many open tickets. */
export const dayArbitrary: fc.Arbitrary<RecordedFact[]> = fc
  .array(ticketArbitrary, { minLength: ticketsADay, maxLength: ticketsADay })
  .chain(([first, ...rest]) => {
    // At least the facts of this ticket arrive in the wrong order.
    const tickets = [
      { ...(first as Ticket), register: 'front', isHandedOver: true } as const,
      ...rest,
    ];
    const factLists = tickets.map((ticket, i) => factsOfTicket(`ticket-${i}`, ticket));
    const indexes = factLists.flatMap((facts, i) => facts.map(() => i));
    return fc
      .shuffledSubarray(indexes, { minLength: indexes.length })
      .map((order) => mergeFacts(factLists, order));
  });

/**
 * Merges the facts of all tickets. The facts of one ticket keep their order.
 *
 * @param order which ticket each fact comes from, by its index
 */
function mergeFacts(
  factLists: readonly RecordedFact[][],
  order: readonly number[],
): RecordedFact[] {
  const iterators = factLists.map((facts) => facts.values());
  return order.flatMap((i) => iterators[i]?.next().value ?? []);
}

function factsOfTicket(ticketId: string, ticket: Ticket): RecordedFact[] {
  const { register, items, method, voided, isHandedOver } = ticket;
  const other = register === 'front' ? 'bar' : 'front';
  const totalCents = itemsCents(items);
  const served: TicketEdit[] = [
    { kind: 'ticket.opened', payload: { ticketId, register } },
    ...items.map((item, i) => ({
      kind: 'ticket.item-added',
      payload: { ticketId, sku: `s${i}`, name: `dish ${i}`, ...item },
    })),
  ];
  const paid: TicketEdit[] = [
    { kind: 'sale.recorded', version: 2, payload: { ticketId, totalCents, method } },
    { kind: 'ticket.closed', payload: { ticketId } },
    ...(voided ? [{ kind: 'sale.voided', payload: { ticketId, reason: 'complaint' } }] : []),
  ];
  const [first, ...rest] = paid as [TicketEdit, ...TicketEdit[]];
  const firstPaid = isHandedOver ? { ...first, sequence: served.length + 1 } : first;
  return [
    ...served.map((edit) => ({ register, edit })),
    ...[firstPaid, ...rest].map((edit) => ({ register: isHandedOver ? other : register, edit })),
  ];
}

type StoredFact = Pick<HistoryEntry, 'kind' | 'kindVersion'> & { readonly payload: unknown };

/** The sums of a ticket, computed from its facts alone. */
export function totalsOf(facts: readonly StoredFact[]) {
  const of = (kind: string) => facts.filter((fact) => fact.kind === kind);
  const paidCents = sum(of('sale.recorded').map(centsOf));
  return {
    status: of('ticket.closed').length > 0 ? 'closed' : 'open',
    itemsCents: itemsCents(
      of('ticket.item-added').map(({ payload }) => payload as Ticket['items'][0]),
    ),
    paidCents,
    voidedCents: of('sale.voided').length > 0 ? paidCents : 0,
  };
}

/** A payload of version 1 has `total`, in euros. */
function centsOf({ kindVersion, payload }: StoredFact): number {
  const { total = 0, totalCents = 0 } = payload as { total?: number; totalCents?: number };
  return kindVersion === 1 ? Number(total.toFixed(2).replace('.', '')) : totalCents;
}

function itemsCents(items: Ticket['items']): number {
  return sum(items.map(({ quantity, unitCents }) => quantity * unitCents));
}

export const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0);
