import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RequestProblem } from '../../src/domain/errors.ts';
import { answerOf, type Commits, driveCommits, endTurns } from './support/commits.ts';

async function submitAll(commits: Commits, ...names: readonly string[]): Promise<void> {
  for (const name of names) await commits.submit(name);
}

async function commitAll(commits: Commits): Promise<void> {
  while (commits.open.length > 0) await commits.next().commit();
}

describe('grouping', () => {
  test('a batch that finds a free lane goes at once and alone', async () => {
    const commits = driveCommits();
    await commits.submit('a1');
    expect(commits.started).toEqual([['a1']]);
    await commits.next().commit();
    expect(answerOf(commits, 'a1')).toBe('a1');
  });

  test('what waits while a transaction is under way goes together into the next', async () => {
    const commits = driveCommits();
    await submitAll(commits, 'a1', 'b1', 'c1', 'b2');
    expect(commits.started).toEqual([['a1']]);
    await commits.next().commit();
    expect(commits.started).toEqual([['a1'], ['b1', 'c1', 'b2']]);
    expect(answerOf(commits, 'b1')).toBeUndefined();
    await commits.next().commit();
    expect(['b1', 'c1', 'b2'].map((name) => answerOf(commits, name))).toEqual(['b1', 'c1', 'b2']);
  });

  test('what arrives in one turn of the event loop goes together, though a lane is free', async () => {
    const commits = driveCommits({ lanes: 2 });
    for (const name of ['a1', 'b1', 'c1']) commits.handIn(name);
    expect(commits.started).toEqual([]);
    await endTurns();
    expect(commits.started).toEqual([['a1', 'b1', 'c1']]);
  });

  test('a lane beside another waits while turns bring more, the only one does not', async () => {
    const commits = driveCommits({ lanes: 2 });
    const handInAll = async (...names: readonly string[]) => {
      for (const name of names) commits.handIn(name);
      await endTurns(1);
    };
    await handInAll('a1', 'b1');
    expect(commits.started).toEqual([['a1', 'b1']]);
    await handInAll('c1', 'd1');
    await handInAll('e1', 'f1');
    expect(commits.started).toHaveLength(1);
    await endTurns(1);
    expect(commits.started.slice(1)).toEqual([['c1', 'd1', 'e1', 'f1']]);
  });

  test('a lane beside another does not wait on once a group is full', async () => {
    const commits = driveCommits({ lanes: 2, maxGroupEvents: 3 });
    await commits.submit('a1');
    for (const name of ['b1', 'c1', 'd1']) commits.handIn(name);
    await endTurns(1);
    expect(commits.started).toEqual([['a1'], ['b1', 'c1', 'd1']]);
  });

  test('lanes share the work: a group takes its part of all that waits and is under way', async () => {
    const commits = driveCommits({ lanes: 2 });
    await commits.submit('a1', 40);
    for (const name of ['b1', 'c1', 'd1', 'e1']) commits.handIn(name, 20);
    await endTurns();
    expect(commits.started).toEqual([['a1'], ['b1', 'c1', 'd1']]);
    await commits.next().commit();
    await commits.next().commit();
    expect(commits.started.slice(2)).toEqual([['e1']]);
  });

  test('what waits of one tenant is not divided among lanes, of which only one can take it', async () => {
    const commits = driveCommits({ lanes: 2 });
    await commits.submit('a1', 20);
    for (const name of ['a2', 'a3', 'a4', 'a5']) commits.handIn(name, 20);
    await endTurns();
    await commits.next().commit();
    expect(commits.started).toEqual([['a1'], ['a2', 'a3', 'a4', 'a5']]);
  });

  test('a few events are not divided among lanes', async () => {
    const commits = driveCommits({ lanes: 2 });
    for (const name of ['a1', 'b1', 'c1']) commits.handIn(name, 5);
    await endTurns();
    expect(commits.started).toEqual([['a1', 'b1', 'c1']]);
  });

  describe('a group that is smaller than the one under way', () => {
    beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
    afterEach(() => void vi.useRealTimers());

    async function submitSmallBesideLarge(): Promise<Commits> {
      const commits = driveCommits({ lanes: 2 });
      await commits.submit('a1', 40);
      await commits.submit('b1', 20);
      expect(commits.started).toEqual([['a1']]);
      return commits;
    }

    test('waits until as much has arrived', async () => {
      const commits = await submitSmallBesideLarge();
      await commits.submit('c1', 20);
      expect(commits.started).toEqual([['a1'], ['b1', 'c1']]);
    });

    test('waits no longer than the one under way takes', async () => {
      const commits = await submitSmallBesideLarge();
      await commits.next().commit();
      expect(commits.started).toEqual([['a1'], ['b1']]);
    });

    test('waits ten milliseconds at most', async () => {
      const commits = await submitSmallBesideLarge();
      vi.advanceTimersByTime(9);
      expect(commits.started).toEqual([['a1']]);
      vi.advanceTimersByTime(1);
      expect(commits.started).toEqual([['a1'], ['b1']]);
    });
  });

  test('nobody is answered before the transaction has ended', async () => {
    const commits = driveCommits();
    await submitAll(commits, 'a1', 'b1');
    expect(commits.results.size).toBe(0);
    await commits.next().commit();
    expect([...commits.results.keys()]).toEqual(['a1']);
  });

  test('the answer says how long a batch waited and how long its transaction took', async () => {
    const commits = driveCommits();
    await commits.submit('a1');
    await commits.next().commit();
    const times = { queueWaitMs: expect.any(Number), transactionMs: expect.any(Number) };
    expect(commits.results.get('a1')).toMatchObject({ value: { decision: 'a1', ...times } });
  });
});

describe('lanes', () => {
  test('as many groups as there are lanes are under way at once', async () => {
    const commits = driveCommits({ lanes: 2 });
    await submitAll(commits, 'a1', 'b1', 'c1', 'd1');
    expect(commits.started).toEqual([['a1'], ['b1']]);
    await commits.open[1]?.commit();
    expect(commits.started).toEqual([['a1'], ['b1'], ['c1', 'd1']]);
  });

  test('a tenant is in one group at a time, though a lane is free', async () => {
    const commits = driveCommits({ lanes: 2 });
    await submitAll(commits, 'a1', 'a2', 'a3');
    expect(commits.started).toEqual([['a1']]);
    await commits.submit('b1');
    expect(commits.started).toEqual([['a1'], ['b1']]);
    await commits.next().commit();
    expect(commits.started.at(-1)).toEqual(['a2', 'a3']);
  });

  test('a tenant of a group that is run one by one stays out of the other lanes', async () => {
    const commits = driveCommits({ lanes: 2 });
    await submitAll(commits, 'x1', 'y1', 'a1', 'b1');
    await commits.next().commit();
    const group = commits.open.find(({ names }) => names.includes('a1'));
    await group?.fail(new Error('poison'));
    await commits.open.find(({ names }) => names[0] === 'y1')?.commit();
    await submitAll(commits, 'a2', 'b2');
    expect(commits.open.map(({ names }) => names)).toEqual([['a1'], ['b1']]);
    await commits.next().commit();
    expect(commits.open.map(({ names }) => names)).toEqual([['b1'], ['a2']]);
    await commitAll(commits);
    expect(commits.started.slice(-4)).toEqual([['a1'], ['b1'], ['a2'], ['b2']]);
  });
});

describe('turns', () => {
  test('a tenant with many batches does not push the others out of a group', async () => {
    const commits = driveCommits({ maxGroupEvents: 3 });
    await submitAll(commits, 'x1', 'a1', 'a2', 'a3', 'a4', 'b1', 'c1');
    await commits.next().commit();
    expect(commits.started.at(-1)).toEqual(['a1', 'b1', 'c1']);
    await commits.next().commit();
    expect(commits.started.at(-1)).toEqual(['a2', 'a3', 'a4']);
  });

  test('a tenant that was served goes to the end of the turn', async () => {
    const commits = driveCommits({ maxGroupEvents: 1 });
    await submitAll(commits, 'x1', 'a1', 'a2', 'a3', 'b1', 'b2', 'c1');
    await commitAll(commits);
    expect(commits.started.flat()).toEqual(['x1', 'a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  });

  test('the room that others leave is filled, in rounds', async () => {
    const commits = driveCommits({ maxGroupEvents: 5 });
    await submitAll(commits, 'x1', 'a1', 'a2', 'a3', 'a4', 'b1', 'b2');
    await commits.next().commit();
    expect(commits.started.at(-1)).toEqual(['a1', 'b1', 'a2', 'b2', 'a3']);
  });

  test('each tenant keeps its order of arrival, also where a later batch would fit', async () => {
    const commits = driveCommits({ maxGroupEvents: 10 });
    await commits.submit('x1');
    await commits.submit('a1', 6);
    await commits.submit('a2', 6);
    await commits.submit('a3', 1);
    await commits.submit('b1', 4);
    await commits.next().commit();
    expect(commits.started.at(-1)).toEqual(['a1', 'b1']);
    await commits.next().commit();
    expect(commits.started.at(-1)).toEqual(['a2', 'a3']);
  });
});

describe('bounds', () => {
  test('a group of one tenant holds all that waits of it, and nothing of the others', async () => {
    const commits = driveCommits({ maxGroupTenants: 1 });
    await submitAll(commits, 'x1', 'a1', 'b1', 'a2', 'b2');
    await commitAll(commits);
    expect(commits.started).toEqual([['x1'], ['a1', 'a2'], ['b1', 'b2']]);
  });

  test('a tenant that a group has no place for is first in the next', async () => {
    const commits = driveCommits({ maxGroupTenants: 2 });
    await submitAll(commits, 'x1', 'a1', 'b1', 'c1', 'a2');
    await commits.next().commit();
    expect(commits.started.at(-1)).toEqual(['a1', 'b1', 'a2']);
    await submitAll(commits, 'a3', 'd1');
    await commits.next().commit();
    expect(commits.started.at(-1)).toEqual(['c1', 'a3']);
  });

  test('a tenant that is under way takes no place of a group in another lane', async () => {
    const commits = driveCommits({ lanes: 2, maxGroupTenants: 1 });
    await submitAll(commits, 'a1', 'a2', 'b1', 'b2', 'c1');
    expect(commits.started).toEqual([['a1'], ['b1']]);
    await commits.open[1]?.commit();
    expect(commits.started.at(-1)).toEqual(['b2']);
    await commits.open[1]?.commit();
    expect(commits.started.at(-1)).toEqual(['c1']);
  });

  test('a group holds no more events than it may', async () => {
    const commits = driveCommits({ maxGroupEvents: 100 });
    await commits.submit('x1');
    for (const name of ['a1', 'b1', 'c1']) await commits.submit(name, 50);
    await commits.next().commit();
    expect(commits.started.at(-1)).toEqual(['a1', 'b1']);
  });

  test('a batch larger than a group goes all the same, and alone', async () => {
    const commits = driveCommits({ maxGroupEvents: 100 });
    await commits.submit('x1');
    await commits.submit('a1', 101);
    await commits.submit('b1', 1);
    await commitAll(commits);
    expect(commits.started).toEqual([['x1'], ['a1'], ['b1']]);
  });

  test('TENANT_BUSY refuses one tenant beyond its bound, and nobody else', async () => {
    const commits = driveCommits({ maxTenantBatches: 2 });
    await submitAll(commits, 'a1', 'a2', 'a3', 'a4', 'b1');
    expect(answerOf(commits, 'a4')).toBe('TENANT_BUSY');
    await commitAll(commits);
    expect(commits.started.flat()).toEqual(['a1', 'a2', 'b1', 'a3']);
    await commits.submit('a5');
    expect(commits.started.at(-1)).toEqual(['a5']);
  });

  test('OVERLOADED refuses what would make more events wait than may', async () => {
    const commits = driveCommits({ maxQueuedEvents: 100 });
    await commits.submit('a1', 50);
    await commits.submit('b1', 60);
    await commits.submit('c1', 40);
    await commits.submit('d1', 1);
    expect(answerOf(commits, 'd1')).toBe('OVERLOADED');
    await commitAll(commits);
    expect(commits.started.flat()).toEqual(['a1', 'b1', 'c1']);
    await commits.submit('d2', 100);
    expect(answerOf(commits, 'd2')).toBeUndefined();
    expect(commits.started.at(-1)).toEqual(['d2']);
  });

  test('bytes of payload are bounded like events, in a group and among what waits', async () => {
    const commits = driveCommits({ maxGroupBytes: 100, maxQueuedBytes: 150 });
    await commits.submit('x1');
    await commits.submit('a1', 1, 60);
    await commits.submit('b1', 1, 60);
    await commits.submit('c1', 1, 60);
    expect(answerOf(commits, 'c1')).toBe('OVERLOADED');
    await commitAll(commits);
    expect(commits.started).toEqual([['x1'], ['a1'], ['b1']]);
    await commits.submit('d1', 1, 500);
    expect(commits.started.at(-1)).toEqual(['d1']);
  });

  test('a batch larger than all that may wait is taken where nothing waits', async () => {
    const commits = driveCommits({ maxQueuedEvents: 100 });
    await commits.submit('a1');
    await commits.submit('b1', 101);
    await commitAll(commits);
    expect(answerOf(commits, 'b1')).toBe('b1');
  });

  test('a refusal says in how many seconds to come back', async () => {
    const commits = driveCommits({ maxTenantBatches: 1, maxQueuedEvents: 2 });
    await submitAll(commits, 'a1', 'a2', 'a3', 'b1', 'c1');
    for (const name of ['a3', 'c1']) {
      const result = commits.results.get(name);
      const problem: unknown = result?.status === 'rejected' && result.reason;
      expect(problem).toBeInstanceOf(RequestProblem);
      expect(problem).toMatchObject({ members: { retryAfter: expect.toSatisfy(isSeconds) } });
    }
  });
});

function isSeconds(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 60;
}
