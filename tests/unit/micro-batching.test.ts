import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createMicroBatcher } from '../../src/scheduling/micro-batching.ts';

/** A queue that grows as the test says. `started` has its size at each start. */
function driveBatcher(mustStartNow: () => boolean = () => false) {
  const started: number[] = [];
  let size = 0;
  const requestStart = createMicroBatcher(
    () => size,
    mustStartNow,
    () => started.push(size),
  );
  return {
    started,
    /** Adds as many items in each iteration of the event loop. Each item requests a start. */
    add: async (...counts: readonly number[]): Promise<void> => {
      for (const count of counts) {
        for (let item = 0; item < count; item += 1) {
          size += 1;
          requestStart();
        }
        await setImmediate();
      }
    },
    remove: (count: number) => {
      size -= count;
    },
  };
}

describe('a start', () => {
  test('comes at the end of the iteration in which it was requested', async () => {
    const { add, started } = driveBatcher();
    await add(1);
    expect(started).toEqual([1]);
  });

  test('comes once for all requests of an iteration, after one more iteration', async () => {
    const { add, started } = driveBatcher();
    await add(3);
    expect(started).toEqual([]);
    await add(0);
    expect(started).toEqual([3]);
  });

  test('waits while iterations increase the queue by a quarter or more', async () => {
    const { add, started } = driveBatcher();
    await add(8, 2, 3, 4);
    expect(started).toEqual([]);
    await add(4);
    expect(started).toEqual([21]);
  });

  test('does not wait for a further iteration when it must come now', async () => {
    let mustStart = false;
    const { add, started } = driveBatcher(() => mustStart);
    await add(8);
    mustStart = true;
    await add(8);
    expect(started).toEqual([16]);
  });

  test('comes also after the queue was emptied', async () => {
    const { add, remove, started } = driveBatcher();
    await add(3);
    remove(3);
    await add(0);
    expect(started).toEqual([0]);
  });

  test('can be requested again, also by the start itself', async () => {
    const { add, started } = driveBatcher();
    await add(1, 1, 1);
    expect(started).toEqual([1, 2, 3]);
    const sizes: number[] = [];
    const again = createMicroBatcher(
      () => 1,
      () => false,
      () => {
        sizes.push(1);
        if (sizes.length < 3) again();
      },
    );
    again();
    for (let iteration = 0; iteration < 5; iteration += 1) await setImmediate();
    expect(sizes).toEqual([1, 1, 1]);
  });
});
