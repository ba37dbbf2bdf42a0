import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { answerOf, driveCommits } from './support/commits.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const maxWaitMs = 1_000;
const pass = async (milliseconds: number) => {
  await vi.advanceTimersByTimeAsync(milliseconds);
};

test('a batch whose transaction does not begin in time is refused, and never stored', async () => {
  const commits = driveCommits({ maxWaitMs });
  for (const name of ['a1', 'b1', 'a2']) await commits.submit(name);
  await pass(maxWaitMs - 1);
  expect([answerOf(commits, 'b1'), answerOf(commits, 'a2')]).toEqual([undefined, undefined]);
  await pass(1);
  // The tenant of the one is under way itself; the other waits for whatever else there is to do.
  expect(answerOf(commits, 'a2')).toBe('TENANT_BUSY');
  expect(answerOf(commits, 'b1')).toBe('OVERLOADED');
  await commits.next().commit();
  expect(answerOf(commits, 'a1')).toBe('a1');
  expect(commits.open).toEqual([]);
  expect(commits.started).toEqual([['a1']]);
});

test('one that is under way in time has all the time that its transaction takes', async () => {
  const commits = driveCommits({ maxWaitMs });
  await commits.submit('a1');
  await pass(10 * maxWaitMs);
  expect(answerOf(commits, 'a1')).toBeUndefined();
  await commits.next().commit();
  expect(answerOf(commits, 'a1')).toBe('a1');
});

test('what was refused makes room for others', async () => {
  const commits = driveCommits({ maxWaitMs, maxTenantBatches: 1, maxQueuedEvents: 1 });
  for (const name of ['a1', 'a2', 'a3']) await commits.submit(name);
  expect(answerOf(commits, 'a3')).toBe('TENANT_BUSY');
  await pass(maxWaitMs);
  expect(answerOf(commits, 'a2')).toBe('TENANT_BUSY');
  await commits.submit('a4');
  await commits.next().commit();
  await commits.next().commit();
  expect(answerOf(commits, 'a4')).toBe('a4');
  expect(commits.started).toEqual([['a1'], ['a4']]);
});

test('no timer outlives its batch', async () => {
  const commits = driveCommits({ maxWaitMs });
  for (const name of ['a1', 'b1']) await commits.submit(name);
  await commits.next().commit();
  await commits.next().commit();
  expect(vi.getTimerCount()).toBe(0);
});
