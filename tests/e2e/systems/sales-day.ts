import fc from 'fast-check';
import type { HistoryEntry } from '../../../src/protocol/history.ts';
import type { Edit } from '../../outbox/queue.ts';

export const ticketsADay = 30;

export type Register = 'front' | 'bar';

interface Ticket {
  readonly register: Register;
  readonly items: readonly { quantity: number; unitCents: number }[];
  readonly method: 'cash' | 'card' | 'other';
  readonly voided: boolean;
  /** The guests pay at the other register, which knows from the first how many facts there are. */
  readonly movesOn: boolean;
}

/** A fact, and the register at which it happened. */
export interface Happening {
  readonly register: Register;
  readonly edit: Edit;
}

const ticketArbitrary: fc.Arbitrary<Ticket> = fc.record({
  register: fc.constantFrom('front', 'bar'),
  items: fc.array(
    fc.record({ quantity: fc.integer({ min: 1, max: 9 }), unitCents: fc.nat(5_000) }),
    { minLength: 1, maxLength: 5 },
  ),
  method: fc.constantFrom('cash', 'card', 'other'),
  voided: fc.boolean(),
  movesOn: fc.boolean(),
});

/** All that happens in a shop in a day, at two registers, with many tickets open at once. */
export const dayArbitrary: fc.Arbitrary<Happening[]> = fc
  .array(ticketArbitrary, { minLength: ticketsADay, maxLength: ticketsADay })
  .chain(([first, ...rest]) => {
    // At least one of them will arrive in the wrong order.
    const tickets = [{ ...(first as Ticket), register: 'front', movesOn: true } as const, ...rest];
    const stories = tickets.map((ticket, i) => storyOf(`ticket-${i}`, ticket));
    const turns = stories.flatMap((story, i) => story.map(() => i));
    return fc
      .shuffledSubarray(turns, { minLength: turns.length })
      .map((order) => weave(stories, order));
  });

/** Each ticket's facts in their order, those of different tickets in the order of the turns. */
function weave(stories: readonly Happening[][], turns: readonly number[]): Happening[] {
  const told = stories.map((story) => story.values());
  return turns.flatMap((i) => told[i]?.next().value ?? []);
}

function storyOf(ticketId: string, ticket: Ticket): Happening[] {
  const { register, items, method, voided, movesOn } = ticket;
  const other = register === 'front' ? 'bar' : 'front';
  const totalCents = itemsCents(items);
  const served: Edit[] = [
    { kind: 'ticket.opened', payload: { ticketId, register } },
    ...items.map((item, i) => ({
      kind: 'ticket.item-added',
      payload: { ticketId, sku: `s${i}`, name: `dish ${i}`, ...item },
    })),
  ];
  const paid: Edit[] = [
    { kind: 'sale.recorded', version: 2, payload: { ticketId, totalCents, method } },
    { kind: 'ticket.closed', payload: { ticketId } },
    ...(voided ? [{ kind: 'sale.voided', payload: { ticketId, reason: 'complaint' } }] : []),
  ];
  const [first, ...rest] = paid as [Edit, ...Edit[]];
  const handedOver = movesOn ? { ...first, sequence: served.length + 1 } : first;
  return [
    ...served.map((edit) => ({ register, edit })),
    ...[handedOver, ...rest].map((edit) => ({ register: movesOn ? other : register, edit })),
  ];
}

type Fact = Pick<HistoryEntry, 'kind' | 'kindVersion'> & { readonly payload: unknown };

/** A ticket's sums, added up here from its facts alone. */
export function totalsOf(facts: readonly Fact[]) {
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

/** Version 1 says `total`, in euros. */
function centsOf({ kindVersion, payload }: Fact): number {
  const { total = 0, totalCents = 0 } = payload as { total?: number; totalCents?: number };
  return kindVersion === 1 ? Number(total.toFixed(2).replace('.', '')) : totalCents;
}

function itemsCents(items: Ticket['items']): number {
  return sum(items.map(({ quantity, unitCents }) => quantity * unitCents));
}

export const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0);
