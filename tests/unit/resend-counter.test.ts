import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createResendCounter } from '../../src/ingest/resend-counter.ts';
import type { BatchDecision, EventOutcome } from '../../src/domain/decide/batch.ts';
import type { ResendCount } from '../../src/audit/audit-store.ts';
import { batchOf } from './support/commits.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function resent(version: number): EventOutcome {
  const failure = { code: 'CONFLICT', message: '' } as const;
  return { identityKey: `k${version}`, status: 'failed', failure, resendOf: version };
}

/** A counter whose writes end when the test says so. */
function drive({ maxEvents = 100, maxGroupTenants = Infinity } = {}) {
  const writes: { rows: readonly ResendCount[]; end: (error?: Error) => Promise<void> }[] = [];
  const failures: number[] = [];
  const counter = createResendCounter({
    write(rows) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const end = (error?: Error) => {
        if (error) reject(error);
        else resolve();
        return setImmediate();
      };
      writes.push({ rows, end });
      return promise;
    },
    delayMs: 500,
    retryMs: 10_000,
    maxEvents,
    maxGroupTenants,
    onFailed: (_error, waiting) => failures.push(waiting),
  });
  const count = (versions: readonly number[], receivedAt = 1, tenant = 'a') => {
    const decision: BatchDecision = {
      outcomes: versions.map(resent),
      position: { version: 0, reference: undefined },
      epoch: '',
      receivedAt,
    };
    counter.count([batchOf(tenant)], [decision]);
  };
  const countsOf = (at: number) =>
    writes[at]?.rows.map(({ version, count: times }) => [version, times]);
  const tenantsOf = (at: number) => writes[at]?.rows.map(({ tenantId }) => tenantId);
  return { counter, writes, failures, count, countsOf, tenantsOf };
}

test('what comes within the delay is written at once, added up', () => {
  const { count, writes } = drive();
  count([7, 8], 10);
  count([7], 20);
  vi.advanceTimersByTime(499);
  expect(writes).toHaveLength(0);
  vi.advanceTimersByTime(1);
  expect(writes.map(({ rows }) => rows)).toEqual([
    [
      { tenantId: 'a', version: 7, count: 2, lastAt: 20 },
      { tenantId: 'a', version: 8, count: 1, lastAt: 10 },
    ],
  ]);
});

test('while one write is under way no other begins, and what came meanwhile follows', async () => {
  const { count, writes, countsOf } = drive();
  count([1]);
  vi.advanceTimersByTime(500);
  count([1, 2]);
  vi.advanceTimersByTime(60_000);
  expect(writes).toHaveLength(1);
  await writes[0]?.end();
  vi.advanceTimersByTime(500);
  expect(countsOf(1)).toEqual([
    [1, 1],
    [2, 1],
  ]);
});

test('a write that fails keeps its counts, and is tried again with those that came meanwhile', async () => {
  const { count, writes, failures, countsOf } = drive();
  count([1, 1]);
  vi.advanceTimersByTime(500);
  count([2, 1]);
  await writes[0]?.end(new Error('no database'));
  expect(failures).toEqual([2]);
  vi.advanceTimersByTime(9_999);
  expect(writes).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(new Map(countsOf(1) as [number, number][])).toEqual(
    new Map([
      [1, 3],
      [2, 1],
    ]),
  );
});

test('only so many events wait; those that do are still counted', () => {
  const { count, countsOf } = drive({ maxEvents: 2 });
  count([1, 2, 3, 1]);
  vi.advanceTimersByTime(500);
  expect(countsOf(0)).toEqual([
    [1, 2],
    [2, 1],
  ]);
});

test('a write spans no more tenants than it may, and each with all of its counts', async () => {
  const { count, writes, tenantsOf } = drive({ maxGroupTenants: 2 });
  for (const tenant of ['a', 'b', 'c']) count([1], 1, tenant);
  count([2], 1, 'a');
  vi.advanceTimersByTime(500);
  expect(writes).toHaveLength(1);
  await writes[0]?.end();
  expect([tenantsOf(0), tenantsOf(1)]).toEqual([['a', 'a', 'b'], ['c']]);
});

test('of the parts of a write, only what failed waits on for the next, and is told of once', async () => {
  const { count, writes, failures, tenantsOf } = drive({ maxGroupTenants: 1 });
  for (const tenant of ['a', 'b', 'c', 'd']) count([1], 1, tenant);
  vi.advanceTimersByTime(500);
  await writes[0]?.end();
  await writes[1]?.end(new Error('the row is locked'));
  await writes[2]?.end(new Error('the row is locked'));
  expect(failures).toEqual([]);
  await writes[3]?.end();
  expect(failures).toEqual([2]);
  vi.advanceTimersByTime(9_999);
  expect(writes).toHaveLength(4);
  vi.advanceTimersByTime(1);
  await writes[4]?.end();
  await writes[5]?.end();
  vi.advanceTimersByTime(60_000);
  const tenants = writes.flatMap((_write, at) => tenantsOf(at) ?? []);
  expect(tenants).toEqual(['a', 'b', 'c', 'd', 'b', 'c']);
});

test('closing waits for the write under way, and writes the rest', async () => {
  const { counter, count, writes, countsOf } = drive();
  count([1]);
  vi.advanceTimersByTime(500);
  count([2]);
  const closed = vi.fn<() => void>();
  void counter.close().then(closed);
  await writes[0]?.end();
  expect(closed).not.toHaveBeenCalled();
  expect(countsOf(1)).toEqual([[2, 1]]);
  await writes[1]?.end();
  expect(closed).toHaveBeenCalled();
});

test('closing gives up where the database does not answer any more', async () => {
  const { counter, count, writes } = drive();
  count([1]);
  const closed = vi.fn<() => void>();
  void counter.close().then(closed);
  await setImmediate();
  await writes[0]?.end(new Error('no database'));
  expect(closed).toHaveBeenCalled();
  vi.advanceTimersByTime(60_000);
  expect(writes).toHaveLength(1);
});
