import { setImmediate as endTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startWorkBudget, WorkLimitError } from '../../src/scheduling/work-budget.ts';
import { RequestProblem } from '../../src/domain/errors.ts';

/** Works, and does not only wait. */
function work(milliseconds: number): void {
  const begun = process.cpuUsage();
  const worked = () => {
    const { user, system } = process.cpuUsage(begun);
    return (user + system) / 1000;
  };
  while (worked() < milliseconds);
}

/** Lets time pass in which nothing is done, as in a process that is stopped. */
function stand(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

test('work is due to give way after a stretch of it, and then goes on', async () => {
  const pace = startWorkBudget();
  work(60);
  expect(pace.shouldYield()).toBe(true);
  await pace.yieldToOthers();
  expect(pace.shouldYield()).toBe(false);
});

test('a rest is a turn of the event loop for others', async () => {
  const pace = startWorkBudget();
  let turns = 0;
  const other = endTurn().then(() => (turns += 1));
  work(60);
  await pace.yieldToOthers();
  expect(turns).toBe(1);
  await other;
});

test('work beyond its bound ends as too much, however often it rests', async () => {
  const pace = startWorkBudget({ maxWorkMs: 100 });
  work(60);
  await pace.yieldToOthers();
  work(60);
  await expect(pace.yieldToOthers()).rejects.toThrow(WorkLimitError);
});

test('time in which the process stands is no work', async () => {
  const pace = startWorkBudget({ maxWorkMs: 100 });
  stand(300);
  await expect(pace.yieldToOthers()).resolves.toBeUndefined();
});

test('work that others leave no time for ends as an overload', async () => {
  const pace = startWorkBudget({ maxMs: 100 });
  stand(150);
  await expect(pace.yieldToOthers()).rejects.toThrow(RequestProblem);
  await expect(pace.yieldToOthers()).rejects.toMatchObject({ code: 'OVERLOADED' });
});

test('work that is much and finds too little time ends as too much', async () => {
  const pace = startWorkBudget({ maxMs: 200, maxWorkMs: 200 });
  work(100);
  stand(250);
  await expect(pace.yieldToOthers()).rejects.toThrow(WorkLimitError);
});
