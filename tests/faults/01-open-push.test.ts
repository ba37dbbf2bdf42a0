import { expect, test } from 'vitest';
import { patch, put } from '../testkit/oracle/events.ts';
import { isCommitOfPush } from './scenarios.ts';
import { newDatabase, newProxy, newService, newTenant } from './stage.ts';

test.each([
  ['one service process', 1],
  ['two service processes', 2],
])(
  'fault 1: no checkpoint passes a push held open before COMMIT, with %s',
  async (_with, count) => {
    const databaseUrl = await newDatabase();
    const network = await newProxy(databaseUrl);
    const first = await newService(network.url);
    const second = count === 1 ? first : await newService(databaseUrl);
    const tenant = newTenant(databaseUrl);
    const [holder, follower] = [tenant.device('holder', first), tenant.device('follower', second)];
    expect(await holder.push([put('n1'), put('n2')])).toMatchObject({ outcome: 'ok' });

    const readers = [first, second].map((service) => tenant.reader(service));
    for (const read of readers) expect(await read(100)).toMatchObject({ position: 3 });
    const pullers = [1, 2, 100].map((limit) => {
      const device = tenant.device(`puller of ${limit}`, limit === 2 ? second : first);
      return { device, limit };
    });
    for (const { device, limit } of pullers) await device.page(limit);

    const stopped = network.stopAt(isCommitOfPush);
    const held = holder.push([put('n3'), patch('n1', { title: 'held' })]);
    const commit = await stopped;
    let follows = false;
    const following = follower.push([put('n4'), patch('n1', { body: 'follows' })]);
    void following.then(() => (follows = true));
    for (let round = 0; round < 10; round += 1) {
      for (const read of readers) {
        expect(await read(100)).toMatchObject({ changes: [], position: 3, hasMore: false });
      }
      for (const service of [first, second]) {
        expect(await tenant.reader(service)(100)).toMatchObject({ position: 3 });
      }
      for (const { device, limit } of pullers) expect(await device.page(limit)).toBe('ok');
    }
    expect(follows).toBe(false);
    commit.pass();

    expect(await held).toMatchObject({ outcome: 'ok' });
    // Behind the row's lock on a slow machine its patience may end; nothing else may go wrong.
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
