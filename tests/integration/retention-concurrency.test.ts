import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectNothingLost } from '../testkit/checker/check.ts';
import type { Device } from '../testkit/checker/device.ts';
import { answersOf } from '../testkit/checker/history.ts';
import { nextKey, putNote, removeNote, type SentEvent } from '../testkit/events/sent-events.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import type { TestApp } from '../testkit/app/test-app.ts';
import { type TestAppPair, startAppPair } from '../testkit/app/test-app-pair.ts';
import { createRetentionRunner, horizonsOf, tombstonesOf } from '../testkit/app/retention.ts';

let pair: TestAppPair;
let services: readonly [TestApp, TestApp];
beforeAll(async () => {
  pair = await startAppPair();
  services = pair.services;
});
afterAll(() => pair.close());

const range = (count: number) => Array.from({ length: count }, (_, at) => at);

/** Pulls until the work is done, and bootstraps again when the checkpoint has expired. */
async function keepPulling(device: Device, limit: number, work: { readonly done: boolean }) {
  while (!work.done) await device.page(limit);
  await device.catchUp(limit);
}

test('concurrent passes lose and resurrect no record while devices delete, restore and pull', async () => {
  const tenant = await createTenant(services[0]);
  const sent: SentEvent[][] = [];
  const work = { done: false };
  const push = async (at: number, batch: SentEvent[], device = `d${at}`) => {
    sent.push(batch);
    await tenant.pushTo(at % 2 === 0 ? services[0] : services[1], batch, {}, device);
  };
  const pushers = range(6).map(async (pusher) => {
    for (const round of range(15)) {
      const id = `n${(pusher * 5 + round * 3) % 20}`;
      // An edit from before the delete that is sent when the delete may be purged already.
      const late = putNote(id, { title: 'late' }, { occurredAt: '2020-01-01T00:00:00Z' });
      await push(pusher + round, [
        putNote(id, { title: `${pusher}/${round}` }),
        putNote(nextKey()),
      ]);
      await push(pusher + round, [removeNote(id)]);
      await push(pusher + round, [late], `late ${pusher}`);
      if (round % 5 === 0) await push(pusher, [putNote(id, { title: 'back' })]);
    }
  });
  const devices = [1, 3, 50].map((limit) => tenant.device(`puller of ${limit}`));
  const pulls = [1, 3, 50].map((limit, at) => keepPulling(devices[at] as Device, limit, work));
  let purged = 0;
  const cleaners = services.map(async (service) => {
    const clean = createRetentionRunner(service, { tombstoneMs: 1, eventMs: 1, batchRows: 5 });
    while (!work.done) {
      const report = await clean().catch((error) => {
        if (!String(error).includes('another process is cleaning up')) throw error;
      });
      expect(report?.errors ?? []).toEqual([]);
      purged += report?.tombstones ?? 0;
    }
  });
  await Promise.all(pushers);
  work.done = true;
  await Promise.all(cleaners);
  await createRetentionRunner(services[0], { tombstoneMs: 1 })();

  expect(purged).toBeGreaterThan(0);
  expect(await tombstonesOf(tenant)).toEqual([]);
  expect((await horizonsOf(tenant)).logHorizon).toBeGreaterThan(0);
  await Promise.all(pulls);
  await expectNothingLost({ ...tenant.checkOptions, devices });
  for (const { table } of devices) {
    expect([...table.values()].map(({ data }) => data?.title)).not.toContain('late');
  }
  expect(answersOf(tenant.checkOptions.history).flatMap(({ failed }) => failed)).toEqual([]);

  const head = await tenant.head();
  const again = await tenant.push(sent.flat());
  expect(again.results?.every(({ status }) => status === 'duplicate')).toBe(true);
  expect(await tenant.head()).toBe(head);
});
