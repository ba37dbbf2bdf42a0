import type { SentEvent } from '../../tests/testkit/oracle/events.ts';
import type { Random } from '../random.ts';
import type { Author, Deed } from './author.ts';

type Fact = readonly [kind: string, words: object, version?: number];

const dishes = ['pierogi', 'barszcz', 'kompot'] as const;

/** A till's tickets, each fact numbered: it tells the next few facts of one, to be folded in order. */
export function createTill(): Deed {
  let opened = 0;
  let next = 0;
  return (author) => {
    const { random } = author;
    const isNew = opened === 0 || next > 12 || random.chance(0.1);
    if (isNew) {
      opened += 1;
      next = 0;
    }
    const ticketId = `${author.device}/${opened}`;
    const tell = ([kind, words, version = 1]: Fact): SentEvent => {
      next += 1;
      const rest = { sequence: next, ...(version > 1 && { version }), ...author.when() };
      const ticket = { entityType: 'ticket', entityId: ticketId };
      return author.write(ticket, kind, { ticketId, ...words }, rest);
    };
    const first: Fact = ['ticket.opened', { register: author.device, table: 'window' }];
    const facts = Array.from({ length: random.int(1, 3) }, () => factOf(author, random));
    return (isNew ? [first, ...facts] : facts).map(tell);
  };
}

function factOf(author: Author, random: Random): Fact {
  const cents = random.int(100, 9_999);
  const sku = random.pick(dishes);
  return random.pick<Fact>([
    ['ticket.item-added', { sku, name: sku, quantity: random.int(1, 3), unitCents: 1_150 }],
    ['ticket.item-added', { sku, name: sku, quantity: 1, unitCents: cents }],
    ['sale.recorded', { total: cents / 100 }],
    ['sale.recorded', { totalCents: cents, method: random.pick(['cash', 'card']) }, 2],
    ['sale.voided', { reason: `by ${author.device}` }],
    ['ticket.closed', {}],
  ]);
}
