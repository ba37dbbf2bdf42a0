import type { SentEvent } from '../events/sent-events.ts';
import type { EventWriter, UserOperation } from './event-writer.ts';
import type { Random } from './random.ts';

type Fact = readonly [kind: string, fields: object, version?: number];

const dishes = ['pierogi', 'barszcz', 'kompot'] as const;

/** A till that opens tickets. Each operation sends the next facts of a ticket, numbered by their sequence. */
export function createTill(): UserOperation {
  let tickets = 0;
  let sequence = 0;
  return (writer) => {
    const { random } = writer;
    const isNew = tickets === 0 || sequence > 12 || random.chance(0.1);
    if (isNew) {
      tickets += 1;
      sequence = 0;
    }
    const ticketId = `${writer.device}/${tickets}`;
    const toEvent = ([kind, fields, version = 1]: Fact): SentEvent => {
      sequence += 1;
      const rest = { sequence, ...(version > 1 && { version }), ...writer.occurrence() };
      const ticket = { entityType: 'ticket', entityId: ticketId };
      return writer.write(ticket, kind, { ticketId, ...fields }, rest);
    };
    const first: Fact = ['ticket.opened', { register: writer.device, table: 'window' }];
    const facts = Array.from({ length: random.int(1, 3) }, () => randomFact(writer, random));
    return (isNew ? [first, ...facts] : facts).map(toEvent);
  };
}

function randomFact(writer: EventWriter, random: Random): Fact {
  const cents = random.int(100, 9_999);
  const sku = random.pick(dishes);
  return random.pick<Fact>([
    ['ticket.item-added', { sku, name: sku, quantity: random.int(1, 3), unitCents: 1_150 }],
    ['ticket.item-added', { sku, name: sku, quantity: 1, unitCents: cents }],
    ['sale.recorded', { total: cents / 100 }],
    ['sale.recorded', { totalCents: cents, method: random.pick(['cash', 'card']) }, 2],
    ['sale.voided', { reason: `by ${writer.device}` }],
    ['ticket.closed', {}],
  ]);
}
