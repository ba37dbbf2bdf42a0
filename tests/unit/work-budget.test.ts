import { setImmediate as nextIteration } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startWorkBudget, WorkLimitError } from '../../src/scheduling/work-budget.ts';
import { RequestProblem } from '../../src/domain/errors.ts';

/** Uses CPU time. */
function work(milliseconds: number): void {
  const startUsage = process.cpuUsage();
  const worked = () => {
    const { user, system } = process.cpuUsage(startUsage);
    return (user + system) / 1000;
  };
  while (worked() < milliseconds);
}

/** Blocks without using CPU time, like a process that is stopped. */
function standStill(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

test('work should yield after a stretch, and may go on after that', async () => {
  const budget = startWorkBudget();
  work(60);
  expect(budget.shouldYield()).toBe(true);
  await budget.yieldToOthers();
  expect(budget.shouldYield()).toBe(false);
});

test('yielding gives other tasks an iteration of the event loop', async () => {
  const budget = startWorkBudget();
  let iterations = 0;
  const other = nextIteration().then(() => (iterations += 1));
  work(60);
  await budget.yieldToOthers();
  expect(iterations).toBe(1);
  await other;
});

test('work beyond its maximum ends with WorkLimitError, however often it yields', async () => {
  const budget = startWorkBudget({ maxWorkMs: 100 });
  work(60);
  await budget.yieldToOthers();
  work(60);
  await expect(budget.yieldToOthers()).rejects.toThrow(WorkLimitError);
});

test('time in which the process is stopped is no work', async () => {
  const budget = startWorkBudget({ maxWorkMs: 100 });
  standStill(300);
  await expect(budget.yieldToOthers()).resolves.toBeUndefined();
});

test('work that other tasks leave no time for ends as OVERLOADED', async () => {
  const budget = startWorkBudget({ maxMs: 100 });
  standStill(150);
  await expect(budget.yieldToOthers()).rejects.toThrow(RequestProblem);
  await expect(budget.yieldToOthers()).rejects.toMatchObject({ code: 'OVERLOADED' });
});

test('much work that finds too little time ends with WorkLimitError', async () => {
  const budget = startWorkBudget({ maxMs: 200, maxWorkMs: 200 });
  work(100);
  standStill(250);
  await expect(budget.yieldToOthers()).rejects.toThrow(WorkLimitError);
});
