import { EventEmitter } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createReadLimiter, type ReadLimiterOptions } from '../../src/http/limits/read-limiter.ts';

const bounds = {
  ...{ lanes: 1, maxTenantReads: 10, maxQueuedReads: 100, maxGroupTenants: Infinity },
  admitAnswer: () => {},
};

/** Reads that end when the test says so. The tenant of a read is the first letter of its name. */
function driveReads(options: Partial<ReadLimiterOptions> = {}) {
  const limiter = createReadLimiter({ ...bounds, ...options });
  const running = new Map<string, PromiseWithResolvers<string>>();
  const started: string[] = [];
  const results = new Map<string, unknown>();
  const answers = new Map<string, EventEmitter & { writableEnded: boolean }>();
  async function start(
    method: 'run' | 'runAdmitted',
    name: string,
    destroyed = false,
  ): Promise<void> {
    const answer = Object.assign(new EventEmitter(), { writableEnded: false, destroyed });
    answers.set(name, answer);
    const reader = { tenantId: name.slice(0, 1), answer } as unknown as Parameters<
      typeof limiter.run
    >[0];
    const read = () => {
      started.push(name);
      const deferred = Promise.withResolvers<string>();
      running.set(name, deferred);
      return deferred.promise;
    };
    limiter[method](reader, read).then(
      (result) => results.set(name, result),
      (error) => results.set(name, error),
    );
    await setImmediate();
  }
  async function settle(name: string, settleRead: (read: PromiseWithResolvers<string>) => void) {
    const read = running.get(name);
    if (!read) throw new Error(`${name} is not running`);
    running.delete(name);
    settleRead(read);
    await setImmediate();
  }
  return {
    limiter,
    started,
    results,
    run: (name: string) => start('run', name),
    runAdmitted: (name: string) => start('runAdmitted', name),
    runAdmittedAfterLeaving: (name: string) => start('runAdmitted', name, true),
    end: (name: string) => settle(name, ({ resolve }) => resolve(`read ${name}`)),
    fail: (name: string, error: Error) => settle(name, ({ reject }) => reject(error)),
    async leave(name: string, answered = false) {
      const answer = answers.get(name);
      if (answer) answer.writableEnded = answered;
      answer?.emit('close');
      await setImmediate();
    },
    listenerCount: (name: string) => answers.get(name)?.listenerCount('close'),
  };
}

type Reads = ReturnType<typeof driveReads>;

async function runAll(reads: Reads, ...names: readonly string[]): Promise<void> {
  for (const name of names) await reads.run(name);
}

const seconds = expect.toSatisfy((value) => Number.isInteger(value) && value >= 1 && value <= 4);

test('each lane runs one read at a time, and further reads wait', async () => {
  const reads = driveReads({ lanes: 2 });
  await runAll(reads, 'a1', 'a2', 'a3');
  expect(reads.started).toEqual(['a1', 'a2']);
  await reads.end('a2');
  expect(reads.started).toEqual(['a1', 'a2', 'a3']);
  expect(reads.results).toEqual(new Map([['a2', 'read a2']]));
});

test('tenants take turns, however many reads each of them has', async () => {
  const reads = driveReads();
  await runAll(reads, 'a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2');
  for (let at = 0; at < 7; at += 1) await reads.end(reads.started[at] ?? '');
  expect(reads.started).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
});

test('a read that fails frees its lane and rejects with its error', async () => {
  const reads = driveReads();
  await runAll(reads, 'a1', 'b1');
  const failure = new Error('broken');
  await reads.fail('a1', failure);
  expect(reads.results.get('a1')).toBe(failure);
  expect(reads.started).toEqual(['a1', 'b1']);
});

test('TENANT_BUSY refuses the reads of one tenant beyond its maximum, and no other tenant', async () => {
  const reads = driveReads({ maxTenantReads: 2 });
  await runAll(reads, 'a1', 'a2', 'a3', 'a4', 'b1');
  expect(reads.results).toEqual(
    new Map([
      ['a4', expect.objectContaining({ code: 'TENANT_BUSY', members: { retryAfter: seconds } })],
    ]),
  );
  for (const name of ['a1', 'a2', 'b1', 'a3']) await reads.end(name);
  expect(reads.started).toEqual(['a1', 'a2', 'b1', 'a3']);
});

test('OVERLOADED refuses reads beyond the maximum of waiting reads', async () => {
  const reads = driveReads({ maxQueuedReads: 2 });
  await runAll(reads, 'a1', 'b1', 'c1');
  expect(reads.limiter.isFull()).toBe(true);
  await reads.run('d1');
  expect(reads.results.get('d1')).toMatchObject({
    code: 'OVERLOADED',
    members: { retryAfter: seconds },
  });
  await reads.end('a1');
  expect(reads.limiter.isFull()).toBe(false);
});

test('an admitted read may wait beyond both maximums', async () => {
  const reads = driveReads({ maxTenantReads: 1, maxQueuedReads: 1 });
  await runAll(reads, 'a1', 'a2');
  await reads.runAdmitted('a3');
  for (const name of ['a1', 'a2', 'a3']) await reads.end(name);
  expect(reads.results.get('a3')).toBe('read a3');
});

test('a waiting read whose client leaves gives up its place and never starts', async () => {
  const reads = driveReads({ maxTenantReads: 1 });
  await runAll(reads, 'a1', 'a2');
  await reads.leave('a2');
  expect(reads.results.get('a2')).toMatchObject({ code: 'OVERLOADED' });
  await reads.run('a3');
  await reads.end('a1');
  await reads.end('a3');
  expect(reads.started).toEqual(['a1', 'a3']);
  await reads.run('b1');
  expect(reads.started.at(-1)).toBe('b1');
});

test('a waiting read whose request was answered, as by a timeout, settles no more', async () => {
  const reads = driveReads();
  await runAll(reads, 'a1', 'a2', 'b1');
  await reads.leave('a2', true);
  await reads.end('a1');
  expect(reads.started).toEqual(['a1', 'b1']);
  expect(reads.results.has('a2')).toBe(false);
});

test('a running read whose client leaves keeps its lane until it ends', async () => {
  const reads = driveReads();
  await runAll(reads, 'a1', 'b1');
  await reads.leave('a1');
  expect(reads.started).toEqual(['a1']);
  await reads.end('a1');
  expect(reads.started).toEqual(['a1', 'b1']);
  expect([reads.listenerCount('a1'), reads.listenerCount('b1')]).toEqual([0, 0]);
});

test('a read whose client left before is refused and takes no place in the queue', async () => {
  const reads = driveReads();
  await reads.run('a1');
  await reads.runAdmittedAfterLeaving('b1');
  await reads.run('c1');
  await reads.end('a1');
  expect(reads.started).toEqual(['a1', 'c1']);
  expect(reads.results.get('b1')).toMatchObject({ code: 'OVERLOADED' });
});
