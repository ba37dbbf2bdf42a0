import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PushAnswer } from '../../src/protocol/push.ts';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { answersOf } from '../testkit/checker/history.ts';
import { accountKinds, openAccount, makeTransfer } from '../testkit/kinds/account-kinds.ts';
import type { SentEvent } from '../testkit/events/sent-events.ts';
import { propertyOptions } from '../testkit/events/random-writes.ts';
import { balancesAfter, type Transfer } from '../testkit/oracle/account-balances.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { type TestAppPair, startAppPair } from '../testkit/app/test-app-pair.ts';

const patience = 120_000;
const openings = new Map([
  ['a', 10],
  ['b', 10],
  ['c', 0],
]);
const total = 20;

let pair: TestAppPair;
beforeAll(async () => {
  pair = await startAppPair({ kinds: accountKinds });
});
afterAll(() => pair.close());

/** An outbox that sends its transfers in batches, to one process and the other. */
interface Device {
  readonly transfers: readonly (readonly [from: string, to: string, amount: number])[];
  readonly size: number;
  readonly atomic: boolean;
  /** Of which sends the answer is lost, so that the same batch is sent again. */
  readonly losses: readonly boolean[];
}

const account = fc.constantFrom(...openings.keys());
const deviceArbitrary: fc.Arbitrary<Device> = fc.record({
  transfers: fc.array(fc.tuple(account, account, fc.integer({ min: 1, max: 12 })), {
    minLength: 1,
    maxLength: 10,
  }),
  size: fc.integer({ min: 1, max: 5 }),
  atomic: fc.boolean(),
  losses: fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }),
});

/** @returns the events that were not accepted, for now or for good */
async function drain(
  queue: readonly SentEvent[],
  { size, atomic, losses }: Omit<Device, 'transfers'>,
  push: (batch: readonly SentEvent[], envelope: object) => Promise<PushAnswer>,
): Promise<SentEvent[]> {
  const left: SentEvent[] = [];
  for (let at = 0; at < queue.length; at += size) {
    const batch = queue.slice(at, at + size);
    let answer = await push(batch, { atomic });
    if (losses[at % losses.length]) answer = await push(batch, { atomic });
    const refused = new Set(answer.failed.map(({ identityKey }) => identityKey));
    left.push(...batch.filter(({ identityKey }) => refused.has(identityKey)));
  }
  return left;
}

async function expectMoneyKept(tenant: Tenant): Promise<void> {
  const { changes } = await tenant.pull({ entityTypes: 'account' });
  const balances = changes.map(({ data }) => Number(data?.balance));
  expect(balances.reduce((left, right) => left + right, 0)).toBe(total);
  expect(Math.min(...balances)).toBeGreaterThanOrEqual(0);
}

/** What was accepted, in the order of the log, against the model. */
async function expectLedger(tenant: Tenant, events: readonly SentEvent[], left: Set<string>) {
  const transfers = new Map(
    events.map(({ identityKey, payload }) => [
      identityKey,
      { identityKey, ...payload } as Transfer,
    ]),
  );
  const accepted = (await tenant.log()).flatMap((entry) => transfers.get(entry.identityKey) ?? []);
  const { balances, lowest } = balancesAfter(openings, accepted);
  expect(lowest).toBeGreaterThanOrEqual(0);

  const records = [...(await tenant.records()).values()];
  const accounts = records.filter(({ entityType }) => entityType === 'account');
  expect(new Map(accounts.map(({ entityId, data }) => [entityId, data?.balance]))).toEqual(
    balances,
  );
  const made = records.filter(({ entityType }) => entityType === 'transfer');
  expect(made.map(({ origin }) => origin.identityKey).toSorted()).toEqual(
    accepted.map(({ identityKey }) => identityKey).toSorted(),
  );
  // In the end nothing waits that could be paid.
  const waiting = [...transfers.values()].filter(({ identityKey }) => left.has(identityKey));
  expect(waiting.length + accepted.length).toBe(transfers.size);
  const payable = waiting.filter(
    ({ from, to, amount }) => from !== to && (balances.get(from) ?? 0) >= amount,
  );
  expect(payable).toEqual([]);
}

test(
  'no interleaving of transfers overdraws an account, loses money or makes a transfer twice',
  async () => {
    const devices = fc.array(deviceArbitrary, { minLength: 2, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(devices, async (some) => {
        const tenant = await createTenant(pair.services[0]);
        await tenant.push([...openings].map(([id, balance]) => openAccount(id, balance)));
        let turn = 0;
        const push = (batch: readonly SentEvent[], envelope: object) => {
          turn += 1;
          return tenant.pushTo(pair.services[turn % 2 === 0 ? 0 : 1], batch, envelope);
        };
        const queues = some.map(({ transfers }) =>
          transfers.map(([from, to, amount]) => makeTransfer(from, to, amount)),
        );

        const work = { done: false };
        const watching = (async () => {
          while (!work.done) await expectMoneyKept(tenant);
        })();
        const lefts = await Promise.all(
          some.map(async (device, index) => {
            const left = await drain(queues[index] ?? [], device, push);
            return drain(left, device, push);
          }),
        );
        work.done = true;
        await watching;

        // What still waits goes one by one, until nothing more is accepted.
        let left = lefts.flat();
        for (let before = Number.POSITIVE_INFINITY; left.length < before; ) {
          before = left.length;
          left = await drain(left, { size: 1, atomic: false, losses: [false] }, push);
        }
        await expectNothingLost({ ...tenant.checkOptions, model: null });
        await expectMoneyKept(tenant);
        const refused = new Set(left.map(({ identityKey }) => identityKey));
        await expectLedger(tenant, queues.flat(), refused);
        const answers = answersOf(tenant.checkOptions.history);
        for (const { code } of answers.flatMap(({ failed }) => failed)) {
          expect(['INSUFFICIENT_FUNDS', 'SAME_ACCOUNT', 'BATCH_ABORTED']).toContain(code);
        }
        const firsts = answers.flatMap(({ results }) =>
          (results ?? []).filter(({ status }) => status === 'applied'),
        );
        expect(firsts).toHaveLength(await tenant.head());
      }),
      propertyOptions(25),
    );
  },
  patience,
);
