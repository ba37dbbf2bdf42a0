/** What can happen to a restaurant's ticket, by the kind that says so. */
export type TicketFact =
  | { readonly kind: 'ticket.opened'; readonly register: string; readonly table?: string }
  | {
      readonly kind: 'ticket.item-added';
      readonly sku: string;
      readonly name: string;
      readonly quantity: number;
      readonly unitCents: number;
    }
  | { readonly kind: 'ticket.closed' }
  | {
      readonly kind: 'sale.recorded';
      readonly totalCents: number;
      readonly method: 'cash' | 'card' | 'other';
    }
  | { readonly kind: 'sale.voided'; readonly reason: string };

type Of<Kind extends TicketFact['kind']> = Extract<TicketFact, { kind: Kind }>;

/**
 * A ticket as all of its facts make it, in the order of their numbers, each field from all facts at
 * once. It shares no code with the service.
 */
export function ticketOf(facts: readonly TicketFact[]) {
  const of = <Kind extends TicketFact['kind']>(kind: Kind, among = facts) =>
    among.filter((fact): fact is Of<Kind> => fact.kind === kind);
  const opened = of('ticket.opened').at(-1);
  const voided = of('sale.voided').at(-1);
  const paid = (among: readonly Of<'sale.recorded'>[]) =>
    sum(among.map(({ totalCents }) => totalCents));
  const sales = of('sale.recorded');
  const byMethod = (method: string) => paid(sales.filter((sale) => sale.method === method));
  const lastTurn = facts.findLast(({ kind }) => /^ticket\.(opened|closed)$/.test(kind))?.kind;
  const states = { 'ticket.opened': 'open', 'ticket.closed': 'closed' } as const;
  return {
    status: lastTurn ? states[lastTurn as keyof typeof states] : 'unopened',
    register: opened?.register ?? null,
    table: opened?.table ?? null,
    items: linesOf(of('ticket.item-added')),
    itemsCents: sum(of('ticket.item-added').map((item) => item.quantity * item.unitCents)),
    paidCents: paid(sales),
    voidedCents: voided ? paid(of('sale.recorded', facts.slice(0, facts.indexOf(voided)))) : 0,
    paidByMethod: { cash: byMethod('cash'), card: byMethod('card'), other: byMethod('other') },
    voidReason: voided?.reason ?? null,
  };
}

/** One line for each thing at one price, in the order in which they were first ordered. */
function linesOf(items: readonly Of<'ticket.item-added'>[]) {
  const lines = Map.groupBy(items, ({ sku, name, unitCents }) =>
    JSON.stringify([sku, name, unitCents]),
  );
  return [...lines.values()].flatMap(([first, ...more]) => {
    if (!first) return [];
    const { kind: _kind, ...line } = first;
    return [{ ...line, quantity: sum([first, ...more].map(({ quantity }) => quantity)) }];
  });
}

const sum = (numbers: readonly number[]) => numbers.reduce((left, right) => left + right, 0);
