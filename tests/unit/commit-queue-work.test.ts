import { describe, expect, test } from 'vitest';
import { WorkLimitError } from '../../src/scheduling/work-budget.ts';
import type { Batch } from '../../src/domain/decide/batch.ts';
import { createExpectedBatchBytes } from '../../src/ingest/commit-groups.ts';
import type { RecordState } from '../../src/domain/record.ts';
import type { TenantSnapshot } from '../../src/domain/decide/tenant-plan.ts';
import { answerOf, batchOf, driveCommits, endTurns } from './support/commits.ts';

const tooMuch = () => new WorkLimitError('more than 1 ms of work');

describe('a transaction that would be too much work', () => {
  test('of one batch refuses it, with half as many events', async () => {
    const commits = driveCommits();
    await commits.submit('a1', 9);
    await commits.next().fail(tooMuch());
    expect(commits.results.get('a1')).toMatchObject({
      reason: { code: 'BATCH_TOO_LARGE', members: { maxEvents: 4 } },
    });
  });

  test('of one event refuses it all the same', async () => {
    const commits = driveCommits();
    await commits.submit('a1');
    await commits.next().fail(tooMuch());
    expect(commits.results.get('a1')).toMatchObject({
      reason: { code: 'BATCH_TOO_LARGE', members: { maxEvents: 1 } },
    });
  });

  test('of a group is run batch by batch, and only the heavy one is refused', async () => {
    const commits = driveCommits();
    for (const name of ['x1', 'a1', 'b1']) await commits.submit(name, 2);
    await commits.next().commit();
    await commits.next().fail(tooMuch());
    expect(commits.isolated).toHaveLength(1);
    while (commits.open.length > 0) {
      const group = commits.next();
      await (group.names.includes('a1') ? group.fail(tooMuch()) : group.commit());
    }
    expect([answerOf(commits, 'a1'), answerOf(commits, 'b1')]).toEqual(['BATCH_TOO_LARGE', 'b1']);
  });
});

test('a batch that is expected to load much takes the room of others in its group', async () => {
  const expectedBytesOf = ({ tenantId, bytes }: Batch) => (tenantId === 'a' ? 900 : bytes);
  const commits = driveCommits({ maxGroupBytes: 1_000, expectedBytesOf });
  for (const name of ['x1', 'a1', 'b1', 'a2', 'b2']) await commits.submit(name, 1, 50);
  await commits.next().commit();
  expect(commits.started.at(-1)).toEqual(['a1', 'b1', 'b2']);
});

test('answers that may show much are given in turns', async () => {
  let loaded = 0;
  const commits = driveCommits({ expectedBytesOf: () => loaded });
  await commits.submit('x1');
  const names = Array.from('abcdefghijklmnopqrst', (tenant) => `${tenant}1`);
  for (const name of names) await commits.submit(name);
  await commits.next().commit();
  expect(commits.started.at(-1)).toEqual(names);
  loaded = 600_000;
  const answered = () => names.filter((name) => commits.results.has(name)).length;
  await commits.next().commit();
  expect(answered()).toBeGreaterThan(0);
  expect(answered()).toBeLessThan(names.length);
  await endTurns(names.length);
  expect(answered()).toBe(names.length);
});

describe('what batches are expected to load', () => {
  const snapshot = (lengths: readonly number[]): TenantSnapshot => ({
    ...{ tenantId: 'a', head: 0, epoch: 'e', headReference: undefined, receivedAt: 0, known: [] },
    records: lengths.map((length) => ({ data: 'x'.repeat(length) }) as RecordState),
  });
  const batch = (entities: number): Batch => ({
    ...batchOf('a1', 1, 10),
    needs: {
      ...{ tenantId: 'a', keyHashes: [], baseKeyHashes: [], bases: [] },
      entities: Array.from({ length: entities }, () => ({ entityType: 'note', entityId: 'n' })),
    },
  });

  test('is their payloads, where nothing is known of their tenant', () => {
    expect(createExpectedBatchBytes().of(batch(5))).toBe(10);
  });

  test('is what its tenant’s last ones loaded for each entity', () => {
    const expected = createExpectedBatchBytes();
    expected.learn(snapshot([100, 300]));
    expect(expected.of(batch(5))).toBe(1_010);
    expected.learn(snapshot([]));
    expect(expected.of(batch(5))).toBe(1_010);
    expected.learn(snapshot([20]));
    expect(expected.of(batch(5))).toBe(110);
  });
});
