import { expect, test } from 'vitest';
import { catalogue, type Category } from '../../../src/systems/colony/catalogue.ts';
import { propertyOptions } from '../../testkit/events/random-writes.ts';
import { fc } from '../support/property.ts';
import { codesOf, MemoryTenant, type Sent } from './support/memory-tenant.ts';

const kinds = { structure: 'structure.build', research: 'research.queue', unit: 'unit.train' };
const places = ['A00:00:00:01', 'A00:00:00:02', 'Z99:99:99:99'];
const prices = Object.entries(catalogue).flatMap(([category, entries]) =>
  Object.entries(entries).map(([catalogKey, { credits }]) => ({
    category: category as Category,
    catalogKey,
    credits,
  })),
);

interface Order {
  readonly event: Sent;
  readonly cost: number;
}

/** Few keys, so that an order meets itself again, and another one under its own key. */
const orderArbitrary = fc
  .record({
    key: fc.integer({ min: 0, max: 30 }),
    price: fc.constantFrom(...prices),
    place: fc.constantFrom(...places),
    quantity: fc.oneof(fc.constant(1), fc.integer({ min: 2, max: 1_000 })),
  })
  .map(({ key, price, place, quantity }): Order => {
    const { category, catalogKey, credits } = price;
    const isUnit = category === 'unit';
    const payload = { empireId: 'e1', locationCoord: place, catalogKey };
    const event = {
      identityKey: `k${key}`,
      kind: kinds[category],
      payload: { ...payload, ...(isUnit && { quantity }) },
    };
    return { event, cost: credits * (isUnit ? quantity : 1) };
  });

const groupArbitrary = fc.record({
  requests: fc.array(fc.array(orderArbitrary, { maxLength: 6 }), { maxLength: 3 }),
  /** Long enough for some of what runs to complete. */
  waitMs: fc.constantFrom(0, 0, 60_000, 1_000_000),
});

function colony(credits: number): MemoryTenant {
  const tenant = new MemoryTenant();
  const [first = '', second = '', foreign = ''] = places;
  const at = (locationCoord: string, empireId: string) => ({
    identityKey: `at-${locationCoord}`,
    kind: 'location.put',
    payload: { locationCoord, empireId },
  });
  tenant.push(put('start', credits), at(first, 'e1'), at(second, 'e1'), at(foreign, 'e2'));
  return tenant;
}

function put(identityKey: string, credits: number): Sent {
  return { identityKey, kind: 'empire.put', payload: { empireId: 'e1', credits } };
}

const creditsIn = (tenant: MemoryTenant) => Number(tenant.find('empire', 'e1')?.credits);

test('for any orders in any batches, an empire pays for what it gets and never overdraws', () => {
  const history = fc.record({
    credits: fc.integer({ min: 0, max: 6_000 }),
    groups: fc.array(groupArbitrary, { maxLength: 8 }),
  });
  let paid = 0;
  let refused = 0;
  fc.assert(
    fc.property(history, ({ credits, groups }) => {
      const tenant = colony(credits);
      let left = credits;
      for (const { requests, waitMs } of groups) {
        tenant.now += waitMs;
        const events = requests.map((orders) => orders.map(({ event }) => event));
        const codes = codesOf(tenant.pushGroup(events));
        for (const [index, { cost }] of requests.flat().entries()) {
          if (codes[index] === 'applied') {
            left -= cost;
            paid += 1;
          }
          if (codes[index] === 'INSUFFICIENT_RESOURCES') refused += 1;
          expect(codes[index]).not.toBe('KIND_FAILED');
          expect(left).toBeGreaterThanOrEqual(0);
        }
        expect(creditsIn(tenant)).toBe(left);
      }
    }),
    propertyOptions(300),
  );
  expect(Math.min(paid, refused)).toBeGreaterThan(0);
});

test('an empire never overdraws if the game server sets credits in between, late or out of order', () => {
  const start = new MemoryTenant().now;
  const putArbitrary = fc
    .record({
      key: fc.integer({ min: 100, max: 120 }),
      credits: fc.integer({ min: 0, max: 1_000 }),
      agoMs: fc.integer({ min: -60_000, max: 60_000 }),
    })
    .map(({ key, credits, agoMs }) => ({
      ...put(`k${key}`, credits),
      occurredAt: new Date(start - agoMs).toISOString(),
    }));
  const eventArbitrary = fc.oneof(
    putArbitrary,
    orderArbitrary.map(({ event }) => event),
  );
  fc.assert(
    fc.property(fc.array(eventArbitrary, { maxLength: 30 }), (events) => {
      const tenant = colony(500);
      for (const event of events) {
        tenant.now += 1_000;
        expect(codesOf(tenant.push(event))).not.toContain('KIND_FAILED');
        expect(creditsIn(tenant)).toBeGreaterThanOrEqual(0);
      }
    }),
    propertyOptions(200),
  );
});
