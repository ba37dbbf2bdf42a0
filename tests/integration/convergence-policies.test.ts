import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { PushAnswer } from '../../src/protocol/push.ts';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { deliver, type DeliveryPlan, deliveryPlans } from '../testkit/events/delivery.ts';
import type { SentEvent } from '../testkit/events/sent-events.ts';
import {
  factKinds,
  keysThatFailOnce,
  paymentArbitrary,
  paymentEvent,
  wordEvent,
  wordArbitrary,
} from '../testkit/kinds/fact-kinds.ts';
import { type WordFact, expectedTapes, expectedTills } from '../testkit/oracle/folded-facts.ts';
import { propertyOptions } from '../testkit/events/random-writes.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { type TestAppPair, startAppPair } from '../testkit/app/test-app-pair.ts';

const patience = 120_000;

let pair: TestAppPair;
beforeAll(async () => {
  pair = await startAppPair({ kinds: factKinds });
});
afterAll(() => pair.close());
beforeEach(() => keysThatFailOnce.clear());

/** Facts, and two or three ways in which they may reach the server. */
function deliveriesOf<Some>(facts: fc.Arbitrary<readonly Some[]>) {
  return facts.chain((some) =>
    fc.record({
      facts: fc.constant(some),
      plans: fc.array(deliveryPlans(some.length), { minLength: 2, maxLength: 3 }),
    }),
  );
}

/** Delivers to both processes in turn, to the end, and gives the data that came out by record. */
async function replay(events: readonly SentEvent[], fails: readonly boolean[], plan: DeliveryPlan) {
  const tenant = await createTenant(pair.services[0]);
  for (const [at, { identityKey }] of events.entries()) {
    if (fails[at]) keysThatFailOnce.add(identityKey);
  }
  let turn = 0;
  const push = (batch: readonly SentEvent[]): Promise<PushAnswer> => {
    turn += 1;
    return tenant.pushTo(pair.services[turn % 2 === 0 ? 0 : 1], batch);
  };
  const temporary = ['KIND_FAILED', 'SEQUENCE_GAP', 'BLOCKED'];
  await deliver(events, plan, push, temporary);
  // Once more, now that the kinds are mended, as by an outbox that lost every answer.
  keysThatFailOnce.clear();
  await deliver(events, plan, push, temporary);
  await expectNothingLost({ ...tenant.checkOptions, model: null });
  const keys = (await tenant.log()).map(({ identityKey }) => identityKey);
  expect(keys.toSorted()).toEqual(events.map(({ identityKey }) => identityKey).toSorted());
  const records = await tenant.records();
  return new Map([...records.values()].map(({ entityId, data }) => [entityId, data]));
}

test(
  'facts whose fold knows no order leave the same records, however they arrive',
  async () => {
    const facts = fc.array(paymentArbitrary, { minLength: 1, maxLength: 14 });
    await fc.assert(
      fc.asyncProperty(deliveriesOf(facts), async ({ facts: some, plans }) => {
        const fails = some.map((fact) => fact.fails);
        for (const plan of plans) {
          expect(await replay(some.map(paymentEvent), fails, plan)).toEqual(expectedTills(some));
        }
      }),
      propertyOptions(20),
    );
  },
  patience,
);

/** Numbered 1, 2, 3 … in each tape. */
const wordsArbitrary = fc.array(wordArbitrary, { minLength: 1, maxLength: 12 }).map((words) =>
  words.map((word, at): WordFact => {
    const before = words.slice(0, at).filter(({ id }) => id === word.id);
    return { ...word, sequence: before.length + 1 };
  }),
);

test(
  'numbered facts leave the same records, however they arrive',
  async () => {
    await fc.assert(
      fc.asyncProperty(deliveriesOf(wordsArbitrary), async ({ facts: some, plans }) => {
        const fails = some.map((fact) => fact.fails);
        for (const plan of plans) {
          expect(await replay(some.map(wordEvent), fails, plan)).toEqual(expectedTapes(some));
        }
      }),
      propertyOptions(20),
    );
  },
  patience,
);
