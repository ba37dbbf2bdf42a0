import { setImmediate as nextIteration, setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  createSustainedValue,
  type EventLoopDelay,
  watchEventLoopDelay,
} from '../../src/http/limits/process-load.ts';

describe('the event loop delay', () => {
  let delay: EventLoopDelay;
  beforeEach(() => {
    delay = watchEventLoopDelay();
  });
  afterEach(() => delay.close());

  function block(ms: number): void {
    const until = performance.now() + ms;
    while (performance.now() < until);
  }

  test.each([50, 500, 1_200])(
    'shows iterations of %i ms each, also if few of them fit between two samples',
    async (iterationMs) => {
      const until = performance.now() + 20_000;
      while (delay.ms() < 25 && performance.now() < until) {
        block(iterationMs);
        await nextIteration();
      }
      expect(delay.ms()).toBeGreaterThanOrEqual(25);
    },
  );

  test('does not show a single pause', async () => {
    block(1_500);
    const measured: number[] = [];
    for (let i = 0; i < 12; i++) {
      await sleep(100);
      measured.push(delay.ms());
    }
    expect(Math.max(...measured)).toBeLessThan(1_000);
  });
});

describe('a sustained value', () => {
  function valueAfter(...samples: readonly number[]): number {
    const sustained = createSustainedValue();
    for (const sample of samples) sustained.sample(sample);
    return sustained.value();
  }

  test('ignores a single high sample', () => {
    expect(valueAfter(0, 5_000)).toBe(0);
    expect(valueAfter(0, 5_000, 3)).toBe(3);
  });

  test('rises with the second high sample, and falls with the first low one', () => {
    expect(valueAfter(0, 1_500, 2_000)).toBe(1_500);
    expect(valueAfter(0, 1_500, 2_000, 1_200)).toBe(1_200);
    expect(valueAfter(0, 1_500, 2_000, 0)).toBe(0);
  });
});
