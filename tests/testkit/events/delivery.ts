import fc from 'fast-check';
import { expect } from 'vitest';
import type { PushAnswer } from '../../../src/protocol/push.ts';
import type { SentEvent } from './sent-events.ts';

/** How a set of events reaches the server: the order, the repetitions and the sizes of the batches. */
export interface DeliveryPlan {
  readonly order: readonly number[];
  /** The events that are sent once more, and the positions in the queue where that happens. */
  readonly repeats: readonly (readonly [event: number, at: number])[];
  readonly sizes: readonly number[];
}

/** @param count the number of events to deliver */
export function deliveryPlans(count: number): fc.Arbitrary<DeliveryPlan> {
  const all = Array.from({ length: count }, (_, index) => index);
  const index = fc.nat({ max: count - 1 });
  return fc.record({
    order: fc.shuffledSubarray(all, { minLength: count, maxLength: count }),
    repeats: fc.array(fc.tuple(index, index), { maxLength: 4 }),
    sizes: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 }),
  });
}

export type PushBatch = (batch: readonly SentEvent[]) => Promise<PushAnswer>;

/**
 * Delivers events as an outbox does: it sends failed events again until all are accepted or nothing changes. The
 * last rounds send one event at a time, so that no event blocks another.
 *
 * @param temporary the codes with which an event may fail and be accepted later
 * @returns all answers, in order
 */
export async function deliver(
  events: readonly SentEvent[],
  plan: DeliveryPlan,
  push: PushBatch,
  temporary: readonly string[] = ['NOT_FOUND', 'BLOCKED'],
): Promise<PushAnswer[]> {
  const answers: PushAnswer[] = [];
  let queue = plan.order.flatMap((index) => events[index] ?? []);
  for (const [index, at] of plan.repeats) queue.splice(at, 0, ...events.slice(index, index + 1));

  for (let sizes = plan.sizes; ; ) {
    const failed = new Set<string | null>();
    for (const batch of split(queue, sizes)) {
      const answer = await push(batch);
      answers.push(answer);
      for (const { identityKey, code } of answer.failed) {
        expect(temporary).toContain(code);
        failed.add(identityKey);
      }
      for (const identityKey of answer.processed) failed.delete(identityKey);
    }
    const left = queue.filter(
      ({ identityKey }, at) =>
        failed.has(identityKey) &&
        queue.findIndex((event) => event.identityKey === identityKey) === at,
    );
    const isUnchanged = left.length === queue.length;
    if (left.length === 0 || (isUnchanged && sizes === single)) return answers;
    if (isUnchanged) sizes = single;
    queue = left;
  }
}

const single: readonly number[] = [1];

function split(queue: readonly SentEvent[], sizes: readonly number[]): SentEvent[][] {
  const batches: SentEvent[][] = [];
  for (let at = 0; at < queue.length; ) {
    const size = sizes[batches.length % sizes.length] ?? 1;
    batches.push(queue.slice(at, at + size));
    at += size;
  }
  return batches;
}
