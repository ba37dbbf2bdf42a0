import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PushAnswer } from '../../src/protocol/push.ts';
import { expectSoundLog, expectStored } from '../model/checker.ts';
import { nextKey, put, remove, type SentEvent } from '../model/events.ts';
import { createPuller } from '../model/puller.ts';
import { createTenant, type Tenant } from '../model/tenant.ts';
import type { TestApp } from '../setup/app.ts';
import { type AppPair, startAppPair } from '../setup/app-pair.ts';
import { createCleaner, horizonsOf, tombstonesOf } from '../setup/retention.ts';

let pair: AppPair;
let services: readonly [TestApp, TestApp];
beforeAll(async () => {
  pair = await startAppPair();
  services = pair.services;
});
afterAll(() => pair.close());

const range = (count: number) => Array.from({ length: count }, (_, at) => at);

/** As its clients see it once tombstones are purged: from a bootstrap. */
function withoutTombstones(tenant: Tenant): Tenant {
  return {
    ...tenant,
    async records() {
      const puller = createPuller(tenant);
      await puller.finish(() => 100);
      return new Map(puller.table);
    },
  };
}

/** A client that bootstraps again whenever it is told to. @returns its records in the end */
async function keepPulling(tenant: Tenant, limit: number, work: { readonly done: boolean }) {
  let bootstraps = 1;
  let puller = createPuller(tenant);
  for (let last = false; !last; ) {
    last = work.done;
    try {
      await (last ? puller.finish(() => limit) : puller.page(limit));
    } catch (error) {
      if (!String(error).includes('CHECKPOINT_EXPIRED')) throw error;
      bootstraps += 1;
      puller = createPuller(tenant);
      last = false;
    }
  }
  return { table: puller.table, bootstraps };
}

test('while devices delete, bring back and pull, passes at once lose and resurrect nothing', async () => {
  const tenant = await createTenant(services[0]);
  const answers: PushAnswer[] = [];
  const sent: SentEvent[][] = [];
  const work = { done: false };
  const push = async (at: number, batch: SentEvent[]) => {
    sent.push(batch);
    const service = at % 2 === 0 ? services[0] : services[1];
    answers.push(await service.push(batch, {}, tenant.sender(`d${at}`)));
  };
  const pushers = range(6).map(async (pusher) => {
    for (const round of range(15)) {
      const id = `n${(pusher * 5 + round * 3) % 20}`;
      // Written while it was alive, and sent when its delete may be purged already.
      const late = put(id, { title: 'late' }, { occurredAt: '2020-01-01T00:00:00Z' });
      await push(pusher + round, [put(id, { title: `${pusher}/${round}` }), put(nextKey())]);
      await push(pusher + round, [remove(id)]);
      await push(pusher + round, [late]);
      if (round % 5 === 0) await push(pusher, [put(id, { title: 'back' })]);
    }
  });
  const pulls = [1, 3, 50].map((limit) => keepPulling(tenant, limit, work));
  let purged = 0;
  const cleaners = services.map(async (service) => {
    const clean = createCleaner(service, { tombstoneMs: 1, eventMs: 1, batchRows: 5 });
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
  await createCleaner(services[0], { tombstoneMs: 1 })();

  expect(purged).toBeGreaterThan(0);
  expect(await tombstonesOf(tenant)).toEqual([]);
  expect((await horizonsOf(tenant)).logHorizon).toBeGreaterThan(0);
  const checked = withoutTombstones(tenant);
  const expected = await checked.records();
  for (const { table } of await Promise.all(pulls)) expect(table).toEqual(expected);
  expect([...expected.values()].map(({ data }) => data?.title)).not.toContain('late');
  expect(answers.flatMap(({ failed }) => failed)).toEqual([]);
  await expectSoundLog(checked);
  await expectStored(checked, answers);

  const head = await tenant.head();
  const again = await tenant.push(sent.flat());
  expect(again.results?.every(({ status }) => status === 'duplicate')).toBe(true);
  expect(await tenant.head()).toBe(head);
});
