/** An event about a restaurant's ticket, by its kind. */
export type TicketChange =
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

type ChangeOfKind<Kind extends TicketChange['kind']> = Extract<TicketChange, { kind: Kind }>;

/**
 * The ticket that results from all its events in the order of their sequence. Each field is computed from all
 * events at once. It shares no code with the service.
 */
export function expectedTicket(changes: readonly TicketChange[]) {
  const ofKind = <Kind extends TicketChange['kind']>(kind: Kind, some = changes) =>
    some.filter((change): change is ChangeOfKind<Kind> => change.kind === kind);
  const opened = ofKind('ticket.opened').at(-1);
  const voided = ofKind('sale.voided').at(-1);
  const sales = ofKind('sale.recorded');
  const paidBy = (method: string) => totalOf(sales.filter((sale) => sale.method === method));
  const lastTurn = changes.findLast(({ kind }) => /^ticket\.(opened|closed)$/.test(kind))?.kind;
  const states = { 'ticket.opened': 'open', 'ticket.closed': 'closed' } as const;
  const items = ofKind('ticket.item-added');
  const beforeVoid = voided ? changes.slice(0, changes.indexOf(voided)) : [];
  return {
    status: lastTurn ? states[lastTurn as keyof typeof states] : 'unopened',
    register: opened?.register ?? null,
    table: opened?.table ?? null,
    items: linesOf(items),
    itemsCents: sum(items.map((item) => item.quantity * item.unitCents)),
    paidCents: totalOf(sales),
    voidedCents: totalOf(ofKind('sale.recorded', beforeVoid)),
    paidByMethod: { cash: paidBy('cash'), card: paidBy('card'), other: paidBy('other') },
    voidReason: voided?.reason ?? null,
  };
}

/** One line for each article at one price, in the order in which they were first ordered. */
function linesOf(items: readonly ChangeOfKind<'ticket.item-added'>[]) {
  const lines = Map.groupBy(items, ({ sku, name, unitCents }) =>
    JSON.stringify([sku, name, unitCents]),
  );
  return [...lines.values()].flatMap(([first, ...more]) => {
    if (!first) return [];
    const { kind: _kind, ...line } = first;
    return [{ ...line, quantity: sum([first, ...more].map(({ quantity }) => quantity)) }];
  });
}

function totalOf(sales: readonly ChangeOfKind<'sale.recorded'>[]): number {
  return sum(sales.map(({ totalCents }) => totalCents));
}

const sum = (numbers: readonly number[]) => numbers.reduce((left, right) => left + right, 0);
