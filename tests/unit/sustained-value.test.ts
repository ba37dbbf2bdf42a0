import { expect, test } from 'vitest';
import { createSustainedValue } from '../../src/http/limits/sustained-value.ts';

function after(...samples: readonly number[]): number {
  const delay = createSustainedValue();
  for (const sample of samples) delay.sample(sample);
  return delay.value();
}

test('a pause, however long, is over when it is seen', () => {
  expect(after(0, 5_000)).toBe(0);
  expect(after(0, 5_000, 3)).toBe(3);
});

test('what is there twice lasts, and is gone with the first sample without it', () => {
  expect(after(0, 1_500, 2_000)).toBe(1_500);
  expect(after(0, 1_500, 2_000, 1_200)).toBe(1_200);
  expect(after(0, 1_500, 2_000, 0)).toBe(0);
});
