import { expect, test } from 'vitest';
import { patchNote, putNote } from '../testkit/events/sent-events.ts';
import { isCommitOfPush } from './scenarios.ts';
import { newDatabase, newProxy, newService, newTenant } from './fixtures.ts';

test.each([
  ['one service process', 1],
  ['two service processes', 2],
])(
  'fault 1: no checkpoint is later than a push that waits before its COMMIT, with %s',
  async (_with, count) => {
    const databaseUrl = await newDatabase();
    const network = await newProxy(databaseUrl);
    const first = await newService(network.url);
    const second = count === 1 ? first : await newService(databaseUrl);
    const tenant = newTenant(databaseUrl);
    const [slow, follower] = [tenant.device('slow', first), tenant.device('follower', second)];
    expect(await slow.push([putNote('n1'), putNote('n2')])).toMatchObject({ outcome: 'ok' });

    const readers = [first, second].map((service) => tenant.reader(service));
    for (const read of readers) expect(await read(100)).toMatchObject({ position: 3 });
    const pullers = [1, 2, 100].map((limit) => {
      const device = tenant.device(`puller of ${limit}`, limit === 2 ? second : first);
      return { device, limit };
    });
    for (const { device, limit } of pullers) await device.page(limit);

    const heldCommit = network.holdRequest(isCommitOfPush);
    const slowPush = slow.push([putNote('n3'), patchNote('n1', { title: 'held' })]);
    const commit = await heldCommit;
    let isFollowerAnswered = false;
    const following = follower.push([putNote('n4'), patchNote('n1', { body: 'follows' })]);
    void following.then(() => (isFollowerAnswered = true));
    for (let round = 0; round < 10; round += 1) {
      for (const read of readers) {
        expect(await read(100)).toMatchObject({ changes: [], position: 3, hasMore: false });
      }
      for (const service of [first, second]) {
        expect(await tenant.reader(service)(100)).toMatchObject({ position: 3 });
      }
      for (const { device, limit } of pullers) expect(await device.page(limit)).toBe('ok');
    }
    expect(isFollowerAnswered).toBe(false);
    commit.release();

    expect(await slowPush).toMatchObject({ outcome: 'ok' });
    // On a slow machine the follower's wait for the row lock may time out. Nothing else may fail.
    expect([200, 503]).toContain((await following).status);
    expect(await follower.drain()).toEqual([]);
    const versions = tenant.history.requests
      .flatMap(({ answer }) => answer?.results ?? [])
      .map(({ version }) => version);
    expect(versions).toEqual([1, 2, 3, 4, 5, 6]);
    for (const read of readers) {
      expect((await read(100)).changes.map(({ version }) => version)).toEqual([3, 5, 6]);
    }
    for (const { device, limit } of pullers) await device.catchUp(limit);
    await tenant.expectNothingLost();
  },
);
