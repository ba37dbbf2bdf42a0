import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type EventLoopDelay,
  watchEventLoopDelay,
} from '../../src/http/limits/event-loop-delay.ts';

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
  'turns of %i ms each are seen, however few of them fit between two samples',
  async (turnMs) => {
    const until = performance.now() + 20_000;
    while (delay.ms() < 25 && performance.now() < until) {
      block(turnMs);
      await nextTurn();
    }
    expect(delay.ms()).toBeGreaterThanOrEqual(25);
  },
);

test('a single pause is none', async () => {
  block(1_500);
  const seen: number[] = [];
  for (let i = 0; i < 12; i++) {
    await sleep(100);
    seen.push(delay.ms());
  }
  expect(Math.max(...seen)).toBeLessThan(1_000);
});
