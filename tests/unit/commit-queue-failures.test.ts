import { describe, expect, test } from 'vitest';
import { RequestProblem } from '../../src/domain/errors.ts';
import { answerOf, type Commits, driveCommits } from './support/commits.ts';
import { fc } from './support/property.ts';

const poison = new Error('poison');

/** A group of these, with nothing else under way. */
async function groupOf(...names: readonly string[]): Promise<Commits> {
  const commits = driveCommits();
  for (const name of ['x0', ...names]) await commits.submit(name);
  await commits.next().commit();
  expect(commits.started.at(-1)).toEqual(names);
  return commits;
}

describe('a group that fails for what one of its batches holds', () => {
  test('is run one by one, and only the guilty batch fails', async () => {
    const commits = await groupOf('a1', 'b1', 'c1');
    await commits.next().fail(poison);
    await commits.next().commit();
    await commits.next().fail(poison);
    await commits.next().commit();
    expect(commits.started.slice(2)).toEqual([['a1'], ['b1'], ['c1']]);
    expect(['a1', 'b1', 'c1'].map((name) => answerOf(commits, name))).toEqual(['a1', poison, 'c1']);
  });

  test('does not make its tenants wait for each other, nor one of them for its own turn', async () => {
    const commits = await groupOf('a1', 'b1', 'a2');
    await commits.next().fail(poison);
    expect(commits.open.map(({ names }) => names)).toEqual([['a1'], ['b1']]);
    await commits.open[1]?.commit();
    expect(answerOf(commits, 'b1')).toBe('b1');
    await commits.next().commit();
    expect(commits.open.map(({ names }) => names)).toEqual([['a2']]);
    await commits.next().commit();
  });

  test('is told to the operator, once, with its size and its error', async () => {
    const commits = await groupOf('a1', 'b1');
    await commits.next().fail(poison);
    await commits.next().commit();
    await commits.next().commit();
    expect(commits.isolated).toEqual([{ batches: 2, error: poison }]);
  });

  test('keeps each tenant in order and does not let a later batch overtake', async () => {
    const commits = await groupOf('a1', 'a2');
    await commits.submit('a3');
    await commits.next().fail(poison);
    await commits.next().fail(poison);
    await commits.next().commit();
    await commits.next().commit();
    expect(commits.started.slice(2)).toEqual([['a1'], ['a2'], ['a3']]);
    expect(answerOf(commits, 'a1')).toBe(poison);
  });

  test('and that is one batch alone is not run again', async () => {
    const commits = await groupOf('a1');
    await commits.next().fail(poison);
    expect(answerOf(commits, 'a1')).toBe(poison);
    expect(commits.started.slice(1)).toEqual([['a1']]);
    expect(commits.isolated).toEqual([]);
  });
});

describe('a failure that says nothing about the batches', () => {
  test.each(['UNAVAILABLE', 'COMMIT_UNKNOWN'] as const)(
    '%s goes to the whole group, without a second run',
    async (code) => {
      const commits = await groupOf('a1', 'b1', 'c1');
      await commits.next().fail(new RequestProblem(code));
      expect(['a1', 'b1', 'c1'].map((name) => answerOf(commits, name))).toEqual([code, code, code]);
      expect(commits.started.slice(1)).toEqual([['a1', 'b1', 'c1']]);
      expect(commits.isolated).toEqual([]);
    },
  );

  test('that meets one batch of a group run one by one is that batch’s alone', async () => {
    const commits = await groupOf('a1', 'b1');
    await commits.next().fail(poison);
    await commits.next().fail(new RequestProblem('UNAVAILABLE'));
    await commits.next().commit();
    expect(['a1', 'b1'].map((name) => answerOf(commits, name))).toEqual(['UNAVAILABLE', 'b1']);
  });

  test('leaves the lane free for what comes after', async () => {
    const commits = await groupOf('a1');
    await commits.submit('a2');
    await commits.next().fail(new RequestProblem('UNAVAILABLE'));
    await commits.next().commit();
    expect(answerOf(commits, 'a2')).toBe('a2');
  });
});

/** A transaction whose batches hold one of these fails. */
const isBad = (name: string) => name.endsWith('!');

/** Batches arrive and transactions end in the order of the steps; at the end all have ended. */
async function play(commits: Commits, steps: readonly Step[], check: () => void) {
  const arrived: string[] = [];
  const committed: string[] = [];
  const end = async (which: number) => {
    const group = commits.open[which % commits.open.length];
    if (!group) return;
    if (group.names.some(isBad)) return group.fail(poison);
    committed.push(...group.names);
    return group.commit();
  };
  for (const one of steps) {
    if (one.do === 'arrive') {
      const name = `${one.tenant}${arrived.length}${one.bad ? '!' : ''}`;
      arrived.push(name);
      await commits.submit(name, one.events);
    } else {
      await end(one.which);
    }
    check();
  }
  while (commits.open.length > 0) {
    await end(0);
    check();
  }
  return { arrived, committed };
}

type Step =
  | {
      readonly do: 'arrive';
      readonly tenant: string;
      readonly events: number;
      readonly bad: boolean;
    }
  | { readonly do: 'end'; readonly which: number };

const steps = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant('arrive' as const),
      tenant: fc.constantFrom('a', 'b', 'c', 'd'),
      events: fc.integer({ min: 1, max: 7 }),
      bad: fc.nat(4).map((one) => one === 0),
    }),
    fc.record({ do: fc.constant('end' as const), which: fc.nat(9) }),
  ),
  { maxLength: 60 },
);
const bounds = fc.record({
  lanes: fc.integer({ min: 1, max: 3 }),
  maxGroupEvents: fc.integer({ min: 1, max: 12 }),
});

const byTenant = (names: readonly string[]) =>
  Object.fromEntries(Map.groupBy(names, (name) => name.slice(0, 1)));

describe('whatever the order of arrivals and ends', () => {
  test('each batch commits exactly once, in its tenant’s order of arrival, and is answered', async () => {
    await fc.assert(
      fc.asyncProperty(bounds, steps, async (options, played) => {
        const commits = driveCommits(options);
        const { arrived, committed } = await play(commits, played, () => {});
        expect(byTenant(committed)).toEqual(byTenant(arrived.filter((name) => !isBad(name))));
        for (const name of arrived) {
          expect(answerOf(commits, name)).toBe(isBad(name) ? poison : name);
        }
      }),
    );
  });

  test('no tenant is in two groups at once, and no bound of lanes or of a group is passed', async () => {
    await fc.assert(
      fc.asyncProperty(bounds, steps, async (options, played) => {
        const commits = driveCommits(options);
        await play(commits, played, () => {
          const tenants = commits.open.flatMap(({ names }) => Object.keys(byTenant(names)));
          expect(tenants).toEqual([...new Set(tenants)]);
          // One lane more is for tenants that go apart.
          const spare = commits.isolated.length === 0 ? 0 : 1;
          expect(commits.open.length).toBeLessThanOrEqual(options.lanes + spare);
          for (const { batches } of commits.open) {
            const events = batches.flatMap((batch) => batch.events).length;
            expect(batches.length === 1 || events <= options.maxGroupEvents).toBe(true);
          }
        });
      }),
    );
  });
});
