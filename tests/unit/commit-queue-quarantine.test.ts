import { expect, test } from 'vitest';
import { RequestProblem } from '../../src/domain/errors.ts';
import { answerOf, type Commits, driveCommits } from './support/commits.ts';

/** As after the database waited for a lock: for a group, and for one batch after all its tries. */
const lockTimeout = new Error('canceling statement due to lock timeout');
const unavailable = () => new RequestProblem('UNAVAILABLE');

const underWay = ({ open }: Commits) => open.map(({ names }) => names);
const ofNames = ({ open }: Commits, name: string) => open.find(({ names }) => names.includes(name));

async function submitAll(commits: Commits, ...names: readonly string[]): Promise<void> {
  for (const name of names) await commits.submit(name);
}

/** The lock of tenant `a` is held, and its group has failed for it, and then its batch alone. */
async function withLocked(lanes = 1): Promise<Commits> {
  const commits = driveCommits({ lanes });
  const before = ['x0', 'y0'].slice(0, lanes);
  await submitAll(commits, ...before, 'a1', 'b1');
  for (const name of before) await ofNames(commits, name)?.commit();
  await ofNames(commits, 'a1')?.fail(lockTimeout);
  await ofNames(commits, 'b1')?.commit();
  await ofNames(commits, 'a1')?.fail(unavailable());
  expect([answerOf(commits, 'a1'), answerOf(commits, 'b1')]).toEqual(['UNAVAILABLE', 'b1']);
  return commits;
}

test('a tenant that failed alone shares no group with others, so that none waits for it again', async () => {
  const commits = await withLocked();
  await submitAll(commits, 'c1', 'a2', 'b2', 'd1');
  expect(underWay(commits)).toEqual([['c1'], ['a2']]);
  await ofNames(commits, 'c1')?.commit();
  expect(underWay(commits)).toEqual([['a2'], ['b2', 'd1']]);
});

test('it takes no lane of the others, who go on while it waits for its lock', async () => {
  const commits = await withLocked(2);
  await submitAll(commits, 'a2', 'b2', 'c1', 'd1', 'e1');
  expect(underWay(commits)).toEqual([['a2'], ['b2'], ['c1']]);
  await ofNames(commits, 'b2')?.commit();
  await ofNames(commits, 'c1')?.commit();
  expect(underWay(commits)).toEqual([['a2'], ['d1', 'e1']]);
});

test('once it succeeds, it goes with the others again', async () => {
  const commits = await withLocked();
  await submitAll(commits, 'a2');
  await ofNames(commits, 'a2')?.commit();
  await submitAll(commits, 'c1', 'a3', 'b3');
  await ofNames(commits, 'c1')?.commit();
  expect(underWay(commits)).toEqual([['a3', 'b3']]);
});

test('one whose neighbour was at fault succeeds alone, and goes with the others again', async () => {
  const commits = await withLocked();
  await submitAll(commits, 'c1', 'b2', 'd1');
  await ofNames(commits, 'c1')?.commit();
  expect(underWay(commits)).toEqual([['b2', 'd1']]);
});

test('its batches that wait are not tried one after the other where the database takes none', async () => {
  const commits = await withLocked();
  await submitAll(commits, 'a2', 'a3', 'a4');
  await ofNames(commits, 'a2')?.fail(unavailable());
  expect(underWay(commits)).toEqual([['a3']]);
  await ofNames(commits, 'a3')?.fail(unavailable());
  expect(['a3', 'a4'].map((name) => answerOf(commits, name))).toEqual([
    'UNAVAILABLE',
    'UNAVAILABLE',
  ]);
  expect(underWay(commits)).toEqual([]);
});

test('two whose locks are held take turns beside the others', async () => {
  const commits = driveCommits();
  await submitAll(commits, 'x0', 'a1', 'b1');
  await ofNames(commits, 'x0')?.commit();
  await ofNames(commits, 'a1')?.fail(lockTimeout);
  await ofNames(commits, 'a1')?.fail(unavailable());
  await ofNames(commits, 'b1')?.fail(unavailable());
  await submitAll(commits, 'a2', 'b2', 'a3', 'c1');
  expect(underWay(commits)).toEqual([['a2'], ['c1']]);
  await ofNames(commits, 'a2')?.fail(unavailable());
  expect(underWay(commits)).toEqual([['c1'], ['b2']]);
  await ofNames(commits, 'b2')?.fail(unavailable());
  expect(underWay(commits)).toEqual([['c1'], ['a3']]);
});

test('a dissolved group’s batches still go before what its tenants sent later', async () => {
  const commits = driveCommits();
  await submitAll(commits, 'x0', 'a1', 'b1', 'a2');
  await ofNames(commits, 'x0')?.commit();
  await submitAll(commits, 'a3', 'b2');
  await ofNames(commits, 'a1')?.fail(lockTimeout);
  while (commits.open.length > 0) await commits.next().commit();
  const order = commits.started.slice(2).flat();
  expect(order.filter((name) => name.startsWith('a'))).toEqual(['a1', 'a2', 'a3']);
  expect(order.filter((name) => name.startsWith('b'))).toEqual(['b1', 'b2']);
});

test('it is full from the first batch that found no room until a group has made some', async () => {
  const commits = driveCommits({ maxQueuedEvents: 2 });
  await submitAll(commits, 'x0', 'a1', 'b1');
  expect(commits.isFull()).toBe(false);
  await commits.submit('c1');
  expect([answerOf(commits, 'c1'), commits.isFull()]).toEqual(['OVERLOADED', true]);
  await commits.next().commit();
  expect(commits.isFull()).toBe(false);
});

test('what a dissolved group puts back is counted among what waits, and taken off again', async () => {
  const commits = driveCommits({ maxQueuedEvents: 2 });
  await submitAll(commits, 'x0', 'a1', 'b1');
  await ofNames(commits, 'x0')?.commit();
  await ofNames(commits, 'a1')?.fail(lockTimeout);
  await ofNames(commits, 'a1')?.commit();
  await ofNames(commits, 'b1')?.commit();
  await submitAll(commits, 'x1', 'c1', 'd1', 'e1');
  expect(answerOf(commits, 'e1')).toBe('OVERLOADED');
});
