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

/** One read for many, which ends when the test says so. A reader's tenant is its name's first letter. */
function driveGroups(options: Partial<ReadLimiterOptions> = {}) {
  const gate = createReadLimiter({ ...bounds, ...options });
  const started: (readonly string[])[] = [];
  const said = new Map<string, unknown>();
  const answers = new Map<string, EventEmitter>();
  let running = Promise.withResolvers<readonly string[]>();
  const look = gate.coalesce((asked: readonly string[]) => {
    started.push(asked);
    running = Promise.withResolvers();
    return running.promise;
  });

  function readerOf(name: string): Reader {
    const answer = Object.assign(new EventEmitter(), { writableEnded: false });
    answers.set(name, answer);
    return { tenantId: name.slice(0, 1), answer } as unknown as Reader;
  }
  function note(name: string, answer: Promise<unknown>): void {
    answer.then(
      (result) => said.set(name, result),
      (error) => said.set(name, error),
    );
  }
  return {
    gate,
    started,
    said,
    async look(...names: readonly string[]): Promise<void> {
      for (const name of names) note(name, look(readerOf(name), name));
      await setImmediate();
    },
    /** Of the read that is under way. */
    async end(): Promise<void> {
      running.resolve((started.at(-1) ?? []).map((name) => `found ${name}`));
      await setImmediate();
    },
    async fail(error: Error): Promise<void> {
      running.reject(error);
      await setImmediate();
    },
    /** A read of its own. @returns what ends it */
    async read(name: string): Promise<() => Promise<void>> {
      const { promise, resolve } = Promise.withResolvers<string>();
      const begun = () => {
        started.push([name]);
        return promise;
      };
      note(name, gate.run(readerOf(name), begun));
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
    listeners: () => [...answers.values()].map((answer) => answer.listenerCount('close')),
  };
}

test('the first goes at once, and what comes meanwhile goes together into the next', async () => {
  const groups = driveGroups();
  await groups.look('a1');
  await groups.look('b1', 'a2', 'c1');
  expect(groups.started).toEqual([['a1']]);
  await groups.end();
  expect(groups.said).toEqual(new Map([['a1', 'found a1']]));
  expect(groups.started).toEqual([['a1'], ['b1', 'a2', 'c1']]);
  await groups.look('d1');
  await groups.end();
  await groups.end();
  expect(groups.started).toEqual([['a1'], ['b1', 'a2', 'c1'], ['d1']]);
  for (const name of ['b1', 'a2', 'c1', 'd1']) expect(groups.said.get(name)).toBe(`found ${name}`);
  expect(groups.listeners()).toEqual([0, 0, 0, 0, 0]);
});

test('what comes in the same turn of the event loop goes together, also where nothing is under way', async () => {
  const groups = driveGroups();
  await groups.look('a1', 'b1');
  expect(groups.started).toEqual([['a1', 'b1']]);
});

test('a group takes one lane, and leaves the others to reads of their own', async () => {
  const groups = driveGroups({ lanes: 2 });
  await groups.look('a1');
  await groups.look('b1', 'c1');
  await groups.read('d1');
  expect(groups.started).toEqual([['a1'], ['d1']]);
});

test('a group that waits for a lane goes first, and then whoever waited for a lane of its own', async () => {
  const groups = driveGroups();
  const end = await groups.read('a1');
  await groups.read('b1');
  await groups.look('c1');
  await groups.look('d1');
  await end();
  expect(groups.started).toEqual([['a1'], ['c1', 'd1']]);
  await groups.look('e1');
  await groups.end();
  expect(groups.started).toEqual([['a1'], ['c1', 'd1'], ['b1']]);
});

test('a group has a bound, within which tenants take turns', async () => {
  const groups = driveGroups({ maxTenantReads: 300, maxQueuedReads: 300 });
  await groups.look('x1');
  await groups.look(...Array.from({ length: 210 }, (_, at) => `a${at}`), 'b1');
  await groups.end();
  expect(groups.started[1]).toHaveLength(200);
  expect(groups.started[1]?.slice(0, 3)).toEqual(['a0', 'b1', 'a1']);
  await groups.end();
  expect(groups.started[2]).toHaveLength(11);
});

test('a group spans no more tenants than it may, and those left out are first in the next', async () => {
  const groups = driveGroups({ maxGroupTenants: 2 });
  await groups.look('x1');
  await groups.look('a1', 'b1', 'c1', 'a2');
  await groups.end();
  expect(groups.started.at(-1)).toEqual(['a1', 'b1', 'a2']);
  await groups.look('a3', 'd1');
  await groups.end();
  expect(groups.started.at(-1)).toEqual(['c1', 'a3']);
  await groups.end();
  expect(groups.started.at(-1)).toEqual(['d1']);
});

test('a read that fails fails for all it would have answered, and for nobody else', async () => {
  const groups = driveGroups();
  await groups.look('a1', 'b1');
  await groups.look('c1');
  const broken = new Error('broken');
  await groups.fail(broken);
  await groups.end();
  expect(groups.said).toEqual(
    new Map<string, unknown>([
      ['a1', broken],
      ['b1', broken],
      ['c1', 'found c1'],
    ]),
  );
});

test('TENANT_BUSY counts what waits of a tenant, for the next group or for a lane', async () => {
  const groups = driveGroups({ maxTenantReads: 2 });
  await groups.look('a1');
  await groups.look('a2');
  await groups.read('a3');
  await groups.look('a4', 'b1');
  await groups.read('a5');
  for (const name of ['a4', 'a5']) {
    expect(groups.said.get(name)).toMatchObject({ code: 'TENANT_BUSY' });
  }
  await groups.end();
  expect(groups.started).toEqual([['a1'], ['a3']]);
});

test('OVERLOADED counts what waits of all, and what goes on in a group makes room', async () => {
  const groups = driveGroups({ lanes: 2, maxQueuedReads: 2 });
  await groups.look('a1');
  await groups.look('b1', 'c1');
  expect(groups.gate.isFull()).toBe(true);
  await groups.look('d1');
  expect(groups.said.get('d1')).toMatchObject({ code: 'OVERLOADED' });
  await groups.end();
  expect(groups.gate.isFull()).toBe(false);
  expect(groups.started).toEqual([['a1'], ['b1', 'c1']]);
});

test('a reader who leaves gives up its place, and a group of nobody is not read for', async () => {
  const groups = driveGroups({ maxTenantReads: 1 });
  const end = await groups.read('a1');
  await groups.look('b1');
  await groups.leave('b1');
  expect(groups.said.get('b1')).toMatchObject({ code: 'OVERLOADED' });
  await end();
  await groups.look('b2');
  await groups.leave('b2');
  await groups.end();
  expect(groups.started).toEqual([['a1'], ['b2']]);
  expect(groups.said.get('b2')).toBe('found b2');
});
