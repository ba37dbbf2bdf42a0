import { EventEmitter } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import {
  createReadLimiter,
  type Reader,
  type ReadLimiterOptions,
} from '../../src/http/limits/read-limiter.ts';

const bounds = {
  ...{ lanes: 1, maxTenantReads: 10, maxQueuedReads: 100, maxGroupTenants: Infinity },
  admitAnswer: () => {},
};

/** A coalesced read that ends when the test says so. The tenant of a reader is the first letter of its name. */
function driveGroups(options: Partial<ReadLimiterOptions> = {}) {
  const limiter = createReadLimiter({ ...bounds, ...options });
  const started: (readonly string[])[] = [];
  const results = new Map<string, unknown>();
  const answers = new Map<string, EventEmitter>();
  let running = Promise.withResolvers<readonly string[]>();
  const readCoalesced = limiter.coalesce((names: readonly string[]) => {
    started.push(names);
    running = Promise.withResolvers();
    return running.promise;
  });

  function readerOf(name: string): Reader {
    const answer = Object.assign(new EventEmitter(), { writableEnded: false });
    answers.set(name, answer);
    return { tenantId: name.slice(0, 1), answer } as unknown as Reader;
  }
  function keepResult(name: string, answer: Promise<unknown>): void {
    answer.then(
      (result) => results.set(name, result),
      (error) => results.set(name, error),
    );
  }
  return {
    limiter,
    started,
    results,
    async readCoalesced(...names: readonly string[]): Promise<void> {
      for (const name of names) keepResult(name, readCoalesced(readerOf(name), name));
      await setImmediate();
    },
    /** Ends the coalesced read that is running. */
    async end(): Promise<void> {
      running.resolve((started.at(-1) ?? []).map((name) => `found ${name}`));
      await setImmediate();
    },
    async fail(error: Error): Promise<void> {
      running.reject(error);
      await setImmediate();
    },
    /** Starts a single read. @returns a function that ends it */
    async readSingle(name: string): Promise<() => Promise<void>> {
      const { promise, resolve } = Promise.withResolvers<string>();
      const read = () => {
        started.push([name]);
        return promise;
      };
      keepResult(name, limiter.run(readerOf(name), read));
      await setImmediate();
      return async () => {
        resolve(`read ${name}`);
        await setImmediate();
      };
    },
    async leave(name: string): Promise<void> {
      answers.get(name)?.emit('close');
      await setImmediate();
    },
    listenerCounts: () => [...answers.values()].map((answer) => answer.listenerCount('close')),
  };
}

test('the first reader starts a read at once, and readers that arrive meanwhile share the next one', async () => {
  const groups = driveGroups();
  await groups.readCoalesced('a1');
  await groups.readCoalesced('b1', 'a2', 'c1');
  expect(groups.started).toEqual([['a1']]);
  await groups.end();
  expect(groups.results).toEqual(new Map([['a1', 'found a1']]));
  expect(groups.started).toEqual([['a1'], ['b1', 'a2', 'c1']]);
  await groups.readCoalesced('d1');
  await groups.end();
  await groups.end();
  expect(groups.started).toEqual([['a1'], ['b1', 'a2', 'c1'], ['d1']]);
  for (const name of ['b1', 'a2', 'c1', 'd1'])
    expect(groups.results.get(name)).toBe(`found ${name}`);
  expect(groups.listenerCounts()).toEqual([0, 0, 0, 0, 0]);
});

test('readers of the same iteration of the event loop share a read, also while no read is running', async () => {
  const groups = driveGroups();
  await groups.readCoalesced('a1', 'b1');
  expect(groups.started).toEqual([['a1', 'b1']]);
});

test('a coalesced read occupies one lane and leaves the others to single reads', async () => {
  const groups = driveGroups({ lanes: 2 });
  await groups.readCoalesced('a1');
  await groups.readCoalesced('b1', 'c1');
  await groups.readSingle('d1');
  expect(groups.started).toEqual([['a1'], ['d1']]);
});

test('a coalesced read that waits for a lane goes first, and a waiting single read goes next', async () => {
  const groups = driveGroups();
  const end = await groups.readSingle('a1');
  await groups.readSingle('b1');
  await groups.readCoalesced('c1');
  await groups.readCoalesced('d1');
  await end();
  expect(groups.started).toEqual([['a1'], ['c1', 'd1']]);
  await groups.readCoalesced('e1');
  await groups.end();
  expect(groups.started).toEqual([['a1'], ['c1', 'd1'], ['b1']]);
});

test('a coalesced read answers a maximum of readers, in which tenants take turns', async () => {
  const groups = driveGroups({ maxTenantReads: 300, maxQueuedReads: 300 });
  await groups.readCoalesced('x1');
  await groups.readCoalesced(...Array.from({ length: 210 }, (_, at) => `a${at}`), 'b1');
  await groups.end();
  expect(groups.started[1]).toHaveLength(200);
  expect(groups.started[1]?.slice(0, 3)).toEqual(['a0', 'b1', 'a1']);
  await groups.end();
  expect(groups.started[2]).toHaveLength(11);
});

test('a coalesced read answers a maximum of tenants, and the others are first in the next one', async () => {
  const groups = driveGroups({ maxGroupTenants: 2 });
  await groups.readCoalesced('x1');
  await groups.readCoalesced('a1', 'b1', 'c1', 'a2');
  await groups.end();
  expect(groups.started.at(-1)).toEqual(['a1', 'b1', 'a2']);
  await groups.readCoalesced('a3', 'd1');
  await groups.end();
  expect(groups.started.at(-1)).toEqual(['c1', 'a3']);
  await groups.end();
  expect(groups.started.at(-1)).toEqual(['d1']);
});

test('a coalesced read that fails rejects its own readers, and no others', async () => {
  const groups = driveGroups();
  await groups.readCoalesced('a1', 'b1');
  await groups.readCoalesced('c1');
  const failure = new Error('broken');
  await groups.fail(failure);
  await groups.end();
  expect(groups.results).toEqual(
    new Map<string, unknown>([
      ['a1', failure],
      ['b1', failure],
      ['c1', 'found c1'],
    ]),
  );
});

test('TENANT_BUSY counts the waiting reads of a tenant, coalesced and single ones together', async () => {
  const groups = driveGroups({ maxTenantReads: 2 });
  await groups.readCoalesced('a1');
  await groups.readCoalesced('a2');
  await groups.readSingle('a3');
  await groups.readCoalesced('a4', 'b1');
  await groups.readSingle('a5');
  for (const name of ['a4', 'a5']) {
    expect(groups.results.get(name)).toMatchObject({ code: 'TENANT_BUSY' });
  }
  await groups.end();
  expect(groups.started).toEqual([['a1'], ['a3']]);
});

test('OVERLOADED counts the waiting reads of all tenants, without those that a read has started to answer', async () => {
  const groups = driveGroups({ lanes: 2, maxQueuedReads: 2 });
  await groups.readCoalesced('a1');
  await groups.readCoalesced('b1', 'c1');
  expect(groups.limiter.isFull()).toBe(true);
  await groups.readCoalesced('d1');
  expect(groups.results.get('d1')).toMatchObject({ code: 'OVERLOADED' });
  await groups.end();
  expect(groups.limiter.isFull()).toBe(false);
  expect(groups.started).toEqual([['a1'], ['b1', 'c1']]);
});

test('a reader that leaves gives up its place, and a group without readers starts no read', async () => {
  const groups = driveGroups({ maxTenantReads: 1 });
  const end = await groups.readSingle('a1');
  await groups.readCoalesced('b1');
  await groups.leave('b1');
  expect(groups.results.get('b1')).toMatchObject({ code: 'OVERLOADED' });
  await end();
  await groups.readCoalesced('b2');
  await groups.leave('b2');
  await groups.end();
  expect(groups.started).toEqual([['a1'], ['b2']]);
  expect(groups.results.get('b2')).toBe('found b2');
});
