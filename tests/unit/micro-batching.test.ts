import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createMicroBatcher } from '../../src/scheduling/micro-batching.ts';

/** A crowd that grows as the test says; `started` has its size at each start. */
function driveGathering(isDue: () => boolean = () => false) {
  const started: number[] = [];
  let size = 0;
  const ask = createMicroBatcher(
    () => size,
    isDue,
    () => started.push(size),
  );
  return {
    started,
    /** As many come, each with its own request for a start, and the turn ends. */
    come: async (...counts: readonly number[]): Promise<void> => {
      for (const count of counts) {
        for (let one = 0; one < count; one += 1) {
          size += 1;
          ask();
        }
        await setImmediate();
      }
    },
    leave: (count: number) => {
      size -= count;
    },
  };
}

describe('a start', () => {
  test('comes at the end of the turn in which it was asked for', async () => {
    const { come, started } = driveGathering();
    await come(1);
    expect(started).toEqual([1]);
  });

  test('comes once for all who asked in that turn, and waits for what may have come behind them', async () => {
    const { come, started } = driveGathering();
    await come(3);
    expect(started).toEqual([]);
    await come(0);
    expect(started).toEqual([3]);
  });

  test('waits as long as turns bring a quarter more', async () => {
    const { come, started } = driveGathering();
    await come(8, 2, 3, 4);
    expect(started).toEqual([]);
    await come(4);
    expect(started).toEqual([21]);
  });

  test('waits for no more once it is due', async () => {
    let isDue = false;
    const { come, started } = driveGathering(() => isDue);
    await come(8);
    isDue = true;
    await come(8);
    expect(started).toEqual([16]);
  });

  test('comes where those who waited have left', async () => {
    const { come, leave, started } = driveGathering();
    await come(3);
    leave(3);
    await come(0);
    expect(started).toEqual([0]);
  });

  test('can be asked for again, by itself as well', async () => {
    const { come, started } = driveGathering();
    await come(1, 1, 1);
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
    for (let turn = 0; turn < 5; turn += 1) await setImmediate();
    expect(sizes).toEqual([1, 1, 1]);
  });
});
