import { describe, expect, test } from 'vitest';
import { saleRecorded } from '../../../src/systems/sales/sale.ts';
import { foldTicket, type TicketFact } from '../../../src/systems/sales/ticket-state.ts';
import { propertyOptions } from '../../testkit/events/random-writes.ts';
import { fc } from '../support/property.ts';
import { codesOf, faultOf, MemoryTenant, type Sent } from './support/memory-tenant.ts';

const opened: TicketFact = { type: 'opened', register: 'r1', table: '7' };
const soup: TicketFact = {
  type: 'item-added',
  sku: 's1',
  name: 'Soup',
  quantity: 2,
  unitCents: 450,
};
const paid: TicketFact = { type: 'paid', totalCents: 900, method: 'card' };
const voided: TicketFact = { type: 'voided', reason: 'cold' };

const fold = (...facts: readonly TicketFact[]) => {
  let ticket: ReturnType<typeof foldTicket> | undefined;
  for (const fact of facts) ticket = foldTicket(ticket, fact);
  return ticket;
};

describe('a ticket', () => {
  test('is the fold of its facts', () => {
    expect(fold(opened, soup, paid, { type: 'closed' })).toEqual({
      status: 'closed',
      register: 'r1',
      table: '7',
      items: [{ sku: 's1', name: 'Soup', quantity: 2, unitCents: 450 }],
      itemsCents: 900,
      paidCents: 900,
      voidedCents: 0,
      paidByMethod: { cash: 0, card: 900, other: 0 },
      voidReason: null,
    });
  });

  test('that is opened without a table has no table', () => {
    expect(fold({ type: 'opened', register: 'r1' })).toMatchObject({ status: 'open', table: null });
  });

  test('adds the same item to its line, and an item with another price to a new line', () => {
    const ticket = fold(opened, soup, soup, { ...soup, unitCents: 400 });
    expect(ticket).toMatchObject({
      items: [
        { quantity: 4, unitCents: 450 },
        { quantity: 2, unitCents: 400 },
      ],
      itemsCents: 2_600,
    });
  });

  test('can be paid in parts, by different methods', () => {
    const ticket = fold(opened, paid, { ...paid, totalCents: 100, method: 'cash' }, paid);
    const paidByMethod = { cash: 100, card: 1_800, other: 0 };
    expect(ticket).toMatchObject({ paidCents: 1_900, paidByMethod });
  });

  test('gives back what was paid before it was voided, not what is paid later', () => {
    expect(fold(opened, paid, voided, paid)).toMatchObject({
      paidCents: 1_800,
      voidedCents: 900,
      voidReason: 'cold',
    });
    expect(fold(opened, paid, voided, voided)).toMatchObject({ paidCents: 900, voidedCents: 900 });
  });

  test('that was never opened still counts its sales, and has the status unopened', () => {
    expect(fold(paid)).toMatchObject({ status: 'unopened', register: null, paidCents: 900 });
    expect(fold(voided)).toMatchObject({ status: 'unopened', voidedCents: 0 });
    expect(fold(soup)).toMatchObject({ status: 'unopened', itemsCents: 900 });
  });

  test('that was closed counts later facts, and can be opened again', () => {
    const closed = fold(opened, { type: 'closed' }, soup, paid);
    expect(closed).toMatchObject({ status: 'closed', itemsCents: 900, paidCents: 900 });
    expect(foldTicket(closed, { type: 'opened', register: 'r2' })).toMatchObject({
      status: 'open',
      register: 'r2',
      paidCents: 900,
    });
  });

  test('that was folded before a field existed is read with the default of the field', () => {
    const before = { status: 'open', register: 'r1', table: null, items: [], paidCents: 5 };
    const paidByMethod = { cash: 0, card: 900, other: 0 };
    expect(foldTicket(before, paid)).toMatchObject({
      paidCents: 905,
      voidedCents: 0,
      paidByMethod,
    });
  });
});

describe('a recorded sale', () => {
  const read = (version: number, payload: object) => {
    const result = saleRecorded.interpret(version, { ticketId: 't1', ...payload });
    if (!result.ok || result.interpretation.intent.policy !== 'append')
      throw new Error('was not read');
    return result.interpretation.intent.fold(undefined, {
      tenantId: 't',
      identityKey: 'k',
      deviceId: null,
      subject: null,
      effectiveAtMs: 0,
      receivedAtMs: 0,
    });
  };

  test.each([
    [12.5, 1_250],
    [19.99, 1_999],
    [4.35, 435],
    [0.29, 29],
    [0, 0],
    [99_999_999.99, 9_999_999_999],
  ])('of version 1 with %d is converted to %i cents with the method other', (total, totalCents) => {
    const paidByMethod = { cash: 0, card: 0, other: totalCents };
    expect(read(1, { total })).toMatchObject({ paidCents: totalCents, paidByMethod });
  });

  test('of any whole number of cents is converted from version 1 without a change', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000_000_000 }), (cents) => {
        expect(read(1, { total: cents / 100 })).toMatchObject({ paidCents: cents });
      }),
      propertyOptions(500),
    );
  });

  test('of version 1 may have the rounding errors of a till', () => {
    const cents = fc.integer({ min: 1, max: 1_000_000 });
    const line = fc.record({ price: cents, quantity: fc.integer({ min: 1, max: 99 }) });
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 30 }), (lines) => {
        const total = lines.reduce((sum, { price, quantity }) => sum + (price / 100) * quantity, 0);
        const exact = lines.reduce((sum, { price, quantity }) => sum + price * quantity, 0);
        expect(read(1, { total })).toMatchObject({ paidCents: exact });
        const given = lines.reduce(
          (left, { price, quantity }) => left - (price / 100) * quantity,
          total,
        );
        expect(read(1, { total: given })).toMatchObject({ paidCents: 0 });
      }),
    );
  });

  test.each([
    [3.300_000_000_000_000_3, 330],
    [0.1 + 0.2, 30],
    [0.3 - 0.2 - 0.1, 0],
    [-0, 0],
    [1e8 + 1e-8, 1e10],
  ])('of version 1 with %d, which is off by a rounding error, is %i cents', (total, totalCents) => {
    expect(read(1, { total })).toMatchObject({ paidCents: totalCents });
  });

  test.each([12.345, 0.001, 3.300_01, -0.01, -1, 100_000_000.01, '12.5'])(
    'of version 1 cannot be %j',
    (total) => {
      expect(faultOf('sale.recorded', { ticketId: 't1', total })).toBe('total');
    },
  );

  test('of version 2 has cents and a method', () => {
    expect(read(2, { totalCents: 700, method: 'cash' })).toMatchObject({
      paidCents: 700,
      paidByMethod: { cash: 700 },
    });
    const wrong = { ticketId: 't1', totalCents: 7.5, method: 'cash' };
    expect(faultOf('sale.recorded', wrong, 2)).toBe('totalCents');
    expect(faultOf('sale.recorded', { ...wrong, totalCents: 7, method: 'gold' }, 2)).toBe('method');
  });

  test('is validated by the schema of its own version only', () => {
    expect(faultOf('sale.recorded', { ticketId: 't1', totalCents: 7, method: 'cash' }, 1)).toBe(
      'total',
    );
    expect(faultOf('sale.recorded', { ticketId: 't1', total: 7 }, 2)).toBe('totalCents');
  });
});

/** A whole evening, and what the ticket comes to; the facts are numbered from 1. */
const evening: readonly Sent[] = [
  { kind: 'ticket.opened', payload: { register: 'r1', table: '7' } },
  {
    kind: 'ticket.item-added',
    payload: { sku: 's1', name: 'Soup', quantity: 2, unitCents: 450 },
  },
  { kind: 'sale.recorded', version: 1, payload: { total: 4.5 } },
  { kind: 'sale.voided', payload: { reason: 'wrong table' } },
  { kind: 'sale.recorded', version: 2, payload: { totalCents: 900, method: 'cash' } },
  { kind: 'ticket.closed', payload: {} },
].map((fact, index) => ({
  ...fact,
  identityKey: `f${index}`,
  sequence: index + 1,
  payload: { ticketId: 't1', ...fact.payload },
}));

test('facts of all five kinds fold into one ticket, in any order of arrival', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([...evening], { minLength: evening.length }), (sent) => {
      const tenant = new MemoryTenant();
      // Each round takes at least the next fact, so this many rounds drain the queue.
      for (const _round of evening) tenant.pushGroup(sent.map((fact) => [fact]));
      expect(codesOf(tenant.push(...sent))).toEqual(sent.map(() => 'duplicate'));
      expect(tenant.find('ticket', 't1')).toMatchObject({
        status: 'closed',
        register: 'r1',
        itemsCents: 900,
        paidCents: 1_350,
        voidedCents: 450,
        paidByMethod: { cash: 900, card: 0, other: 450 },
      });
    }),
    propertyOptions(50),
  );
});

test.each(evening.map(({ kind, version = 1 }) => [kind, version] as const))(
  '%s, version %i, needs its sequence',
  (kind, version) => {
    const fact = evening.find((one) => one.kind === kind && (one.version ?? 1) === version);
    if (!fact) throw new Error('no such fact');
    const { sequence: _number, ...unnumbered } = fact;
    const [outcome] = new MemoryTenant().push(unnumbered);
    expect(outcome).toMatchObject({ failure: { code: 'INVALID_EVENT', path: 'sequence' } });
  },
);

test('any facts in any order can be folded, and a ticket never gives back more than it took', () => {
  const count = fc.integer({ min: 1, max: 1_000 });
  const cents = fc.integer({ min: 0, max: 10_000_000 });
  const factArbitrary = fc.oneof(
    fc.constantFrom<TicketFact>(opened, soup, voided, { type: 'closed' }),
    fc.record({
      type: fc.constant('item-added' as const),
      sku: fc.constantFrom('s1', 's2'),
      name: fc.constantFrom('Soup', '__proto__'),
      quantity: count,
      unitCents: cents,
    }),
    fc.record({
      type: fc.constant('paid' as const),
      totalCents: cents,
      method: fc.constantFrom('cash' as const, 'card' as const, 'other' as const),
    }),
  );
  fc.assert(
    fc.property(fc.array(factArbitrary, { minLength: 1, maxLength: 30 }), (facts) => {
      const ordered = facts.flatMap((fact) => (fact.type === 'item-added' ? [fact] : []));
      const sales = facts.flatMap((fact) => (fact.type === 'paid' ? [fact.totalCents] : []));
      const ticket = fold(...facts);
      expect(ticket).toMatchObject({
        itemsCents: ordered.reduce((sum, fact) => sum + fact.quantity * fact.unitCents, 0),
        paidCents: sales.reduce((sum, totalCents) => sum + totalCents, 0),
      });
      expect(Number(ticket?.voidedCents)).toBeLessThanOrEqual(Number(ticket?.paidCents));
    }),
    propertyOptions(200),
  );
});
