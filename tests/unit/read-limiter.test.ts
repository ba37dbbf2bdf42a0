import { EventEmitter } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createReadLimiter, type ReadLimiterOptions } from '../../src/http/limits/read-limiter.ts';

const bounds = {
  ...{ lanes: 1, maxTenantReads: 10, maxQueuedReads: 100, maxGroupTenants: Infinity },
  admitAnswer: () => {},
};

/** Reads that end when the test says so. A read's tenant is its name's first letter. */
function driveReads(options: Partial<ReadLimiterOptions> = {}) {
  const gate = createReadLimiter({ ...bounds, ...options });
  const open = new Map<string, PromiseWithResolvers<string>>();
  const started: string[] = [];
  const said = new Map<string, unknown>();
  const answers = new Map<string, EventEmitter & { writableEnded: boolean }>();
  async function ask(how: 'run' | 'runAdmitted', name: string, destroyed = false): Promise<void> {
    const answer = Object.assign(new EventEmitter(), { writableEnded: false, destroyed });
    answers.set(name, answer);
    const reader = { tenantId: name.slice(0, 1), answer } as unknown as Parameters<
      typeof gate.run
    >[0];
    const read = () => {
      started.push(name);
      const running = Promise.withResolvers<string>();
      open.set(name, running);
      return running.promise;
    };
    gate[how](reader, read).then(
      (result) => said.set(name, result),
      (error) => said.set(name, error),
    );
    await setImmediate();
  }
  async function settle(name: string, how: (read: PromiseWithResolvers<string>) => void) {
    const read = open.get(name);
    if (!read) throw new Error(`${name} is not under way`);
    open.delete(name);
    how(read);
    await setImmediate();
  }
  return {
    gate,
    started,
    said,
    ask: (name: string) => ask('run', name),
    finish: (name: string) => ask('runAdmitted', name),
    askHavingLeft: (name: string) => ask('runAdmitted', name, true),
    end: (name: string) => settle(name, ({ resolve }) => resolve(`read ${name}`)),
    fail: (name: string, error: Error) => settle(name, ({ reject }) => reject(error)),
    async leave(name: string, answered = false) {
      const answer = answers.get(name);
      if (answer) answer.writableEnded = answered;
      answer?.emit('close');
      await setImmediate();
    },
    listeners: (name: string) => answers.get(name)?.listenerCount('close'),
  };
}

type Reads = ReturnType<typeof driveReads>;

async function askAll(reads: Reads, ...names: readonly string[]): Promise<void> {
  for (const name of names) await reads.ask(name);
}

const seconds = expect.toSatisfy((value) => Number.isInteger(value) && value >= 1 && value <= 4);

test('as many reads as there are lanes are under way at once, and the rest wait', async () => {
  const reads = driveReads({ lanes: 2 });
  await askAll(reads, 'a1', 'a2', 'a3');
  expect(reads.started).toEqual(['a1', 'a2']);
  await reads.end('a2');
  expect(reads.started).toEqual(['a1', 'a2', 'a3']);
  expect(reads.said).toEqual(new Map([['a2', 'read a2']]));
});

test('tenants take turns, whoever of them asked more often', async () => {
  const reads = driveReads();
  await askAll(reads, 'a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2');
  for (let at = 0; at < 7; at += 1) await reads.end(reads.started[at] ?? '');
  expect(reads.started).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
});

test('a read that fails gives its lane back, and its error to whoever asked', async () => {
  const reads = driveReads();
  await askAll(reads, 'a1', 'b1');
  const broken = new Error('broken');
  await reads.fail('a1', broken);
  expect(reads.said.get('a1')).toBe(broken);
  expect(reads.started).toEqual(['a1', 'b1']);
});

test('TENANT_BUSY refuses one tenant beyond its bound, and nobody else', async () => {
  const reads = driveReads({ maxTenantReads: 2 });
  await askAll(reads, 'a1', 'a2', 'a3', 'a4', 'b1');
  expect(reads.said).toEqual(
    new Map([
      ['a4', expect.objectContaining({ code: 'TENANT_BUSY', members: { retryAfter: seconds } })],
    ]),
  );
  for (const name of ['a1', 'a2', 'b1', 'a3']) await reads.end(name);
  expect(reads.started).toEqual(['a1', 'a2', 'b1', 'a3']);
});

test('OVERLOADED refuses what would make more reads wait than may', async () => {
  const reads = driveReads({ maxQueuedReads: 2 });
  await askAll(reads, 'a1', 'b1', 'c1');
  expect(reads.gate.isFull()).toBe(true);
  await reads.ask('d1');
  expect(reads.said.get('d1')).toMatchObject({
    code: 'OVERLOADED',
    members: { retryAfter: seconds },
  });
  await reads.end('a1');
  expect(reads.gate.isFull()).toBe(false);
});

test('the last read of a request that has changed something waits beyond both bounds', async () => {
  const reads = driveReads({ maxTenantReads: 1, maxQueuedReads: 1 });
  await askAll(reads, 'a1', 'a2');
  await reads.finish('a3');
  for (const name of ['a1', 'a2', 'a3']) await reads.end(name);
  expect(reads.said.get('a3')).toBe('read a3');
});

test('a reader who leaves gives up its place, and is never read for', async () => {
  const reads = driveReads({ maxTenantReads: 1 });
  await askAll(reads, 'a1', 'a2');
  await reads.leave('a2');
  expect(reads.said.get('a2')).toMatchObject({ code: 'OVERLOADED' });
  await reads.ask('a3');
  await reads.end('a1');
  await reads.end('a3');
  expect(reads.started).toEqual(['a1', 'a3']);
  await reads.ask('b1');
  expect(reads.started.at(-1)).toBe('b1');
});

test('one that was answered while it waited, as by a timeout, is told nothing more', async () => {
  const reads = driveReads();
  await askAll(reads, 'a1', 'a2', 'b1');
  await reads.leave('a2', true);
  await reads.end('a1');
  expect(reads.started).toEqual(['a1', 'b1']);
  expect(reads.said.has('a2')).toBe(false);
});

test('whoever leaves while its read is under way holds its lane until that ends', async () => {
  const reads = driveReads();
  await askAll(reads, 'a1', 'b1');
  await reads.leave('a1');
  expect(reads.started).toEqual(['a1']);
  await reads.end('a1');
  expect(reads.started).toEqual(['a1', 'b1']);
  expect([reads.listeners('a1'), reads.listeners('b1')]).toEqual([0, 0]);
});

test('nothing is read for somebody who left before, and no place is kept', async () => {
  const reads = driveReads();
  await reads.ask('a1');
  await reads.askHavingLeft('b1');
  await reads.ask('c1');
  await reads.end('a1');
  expect(reads.started).toEqual(['a1', 'c1']);
  expect(reads.said.get('b1')).toMatchObject({ code: 'OVERLOADED' });
});
