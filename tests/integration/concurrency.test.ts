import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { nextKey, patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant, statusesOf, type Tenant } from '../testkit/app/tenant.ts';
import type { TestApp } from '../testkit/app/test-app.ts';
import { type TestAppPair, startAppPair } from '../testkit/app/test-app-pair.ts';

let pair: TestAppPair;
let one: TestApp;
let two: TestApp;
beforeAll(async () => {
  pair = await startAppPair();
  [one, two] = pair.services;
});
afterAll(() => pair.close());

const range = (count: number) => Array.from({ length: count }, (_, at) => at);
const oneProcess = () => [one];
const twoProcesses = () => [one, two];

/** The `at`-th request goes to the `at`-th process, round and round. */
function pushTo(
  processes: readonly TestApp[],
  tenant: Tenant,
  at: number,
  batch: readonly unknown[],
) {
  const process = processes[at % processes.length] ?? one;
  return tenant.pushTo(process, batch, {}, `d${at}`);
}

test.each([
  ['one process', oneProcess],
  ['two processes', twoProcesses],
])('the same batch, sent 50 times at once to %s, is applied once', async (_where, processes) => {
  const tenant = await createTenant(one);
  await tenant.push([putNote('n0', { title: 'A' })], {}, 'founder');
  const batch = [
    putNote('n1', { title: 'A' }),
    patchNote('n1', { body: 'B' }),
    putNote('n0', { title: 'late' }, { occurredAt: '2020-01-01T00:00:00Z' }),
    putNote('n2'),
    removeNote('n2'),
  ];
  const answers = await Promise.all(range(50).map((at) => pushTo(processes(), tenant, at, batch)));
  const outcomes = ['applied', 'applied', 'superseded', 'applied', 'applied'];
  const duplicates = outcomes.map((outcome) => `duplicate of ${outcome}`);
  const said = answers.map((answer) => statusesOf(answer).join());
  expect(said.filter((words) => words === outcomes.join())).toHaveLength(1);
  expect(said.filter((words) => words === duplicates.join())).toHaveLength(49);
  for (const { results } of answers) {
    expect(results?.map(({ version }) => version)).toEqual([2, 3, 4, 5, 6]);
  }
  expect(await tenant.head()).toBe(6);
  await expectNothingLost(tenant.checkOptions);
});

test.each([
  ['one process', oneProcess],
  ['two processes', twoProcesses],
])(
  'overlapping batches in reversed order, at once to %s, are applied once',
  async (_where, processes) => {
    const tenant = await createTenant(one);
    const events = range(40).map((at) => putNote(`n${at % 13}`, { title: `${at}` }));
    const batches = range(24).map((at) => {
      const part = events.slice(at % 7, 40 - (at % 5));
      return at % 2 === 0 ? part : part.toReversed();
    });
    const answers = await Promise.all(
      batches.map((batch, at) => pushTo(processes(), tenant, at, batch)),
    );
    expect(answers.flatMap(({ failed }) => failed)).toEqual([]);
    expect(await tenant.head()).toBe(events.length);
    await expectNothingLost(tenant.checkOptions);
  },
);

test('two tenants that push to each other’s entities and keys at once do not meet', async () => {
  const tenants = [await createTenant(one), await createTenant(one)];
  const keys = range(20).map(nextKey);
  await Promise.all(
    range(40).flatMap((at) =>
      tenants.map((tenant, side) => {
        const order = (at + side) % 2 === 0 ? keys : keys.toReversed();
        const events = order.map((identityKey) =>
          putNote(identityKey, { title: tenant.id }, { identityKey }),
        );
        return pushTo(twoProcesses(), tenant, at, events);
      }),
    ),
  );
  for (const tenant of tenants) {
    await expectNothingLost(tenant.checkOptions);
    const titles = [...(await tenant.records()).values()].map(({ data }) => data?.title);
    expect(titles).toEqual(keys.map(() => tenant.id));
  }
});

test.each([
  ['one process', oneProcess],
  ['two processes', twoProcesses],
])('a puller that runs against 8 pushers at %s misses nothing', async (_where, processes) => {
  const tenant = await createTenant(one);
  const work = { done: false };
  const pushers = range(8).map(async (pusher) => {
    for (const round of range(25)) {
      const id = `n${(pusher * 5 + round * 3) % 30}`;
      const batch = [
        putNote(id, { title: `${pusher}/${round}` }),
        putNote(`own-${pusher}-${round}`),
      ];
      if (round % 6 === 5) batch.push(removeNote(id));
      const { failed } = await pushTo(processes(), tenant, pusher + round, batch);
      expect(failed).toEqual([]);
    }
  });
  const pullers = [1, 3, 10].map(async (limit, index) => {
    const puller = tenant.device(`puller of ${limit}`, processes()[index % processes().length]);
    while (!work.done) await puller.page(limit);
    await puller.catchUp(limit);
    return puller;
  });
  await Promise.all(pushers);
  work.done = true;
  await expectNothingLost({ ...tenant.checkOptions, devices: await Promise.all(pullers) });
});

test('what a push answered can be pulled at once, from either process', async () => {
  const tenant = await createTenant(one);
  await Promise.all(
    range(20).map(async (at) => {
      const event = putNote(`n${at}`);
      const { checkpoint } = await pushTo(twoProcesses(), tenant, at, [event]);
      for (const service of twoProcesses()) {
        const { changes } = await service.pull({ since: checkpoint }, tenant.sender());
        expect(changes.map(({ entityId }) => entityId)).toContain(`n${at}`);
      }
    }),
  );
  await expectNothingLost(tenant.checkOptions);
});

test('40 tenants at once each get their own versions, records and nothing else', async () => {
  const tenants = await Promise.all(range(40).map(() => createTenant(one)));
  const answers = await Promise.all(
    tenants.map(async (tenant, index) => {
      const own: Awaited<ReturnType<typeof pushTo>>[] = [];
      for (const round of range(4)) {
        const batch = range(5).map((at) => putNote(`n${at}`, { title: `${index}/${round}` }));
        own.push(await pushTo(twoProcesses(), tenant, index + round, batch));
      }
      return own;
    }),
  );
  for (const [index, tenant] of tenants.entries()) {
    const versions = answers[index]?.flatMap(({ results }) =>
      results?.map(({ version }) => version),
    );
    expect(versions).toEqual(range(20).map((at) => at + 1));
    await expectNothingLost(tenant.checkOptions);
    const records = await tenant.records();
    expect([...records.keys()].toSorted()).toEqual(range(5).map((at) => `n${at}`));
    for (const { data } of records.values()) expect(data?.title).toBe(`${index}/3`);
  }
});

test('a tenant that is pushed to for the first time 30 times at once begins once', async () => {
  const tenant = await createTenant(one);
  const answers = await Promise.all(
    range(30).map((at) => pushTo(twoProcesses(), tenant, at, [putNote(`n${at}`)])),
  );
  const versions = answers.flatMap(
    ({ results }) => results?.map(({ version }) => version ?? 0) ?? [],
  );
  expect(versions.toSorted((left, right) => left - right)).toEqual(range(30).map((at) => at + 1));
  const { checkpoint } = await tenant.pull();
  expect((await tenant.pull({ since: checkpoint })).changes).toEqual([]);
  await expectNothingLost(tenant.checkOptions);
});

test('atomic batches that fail leave no hole among those at the same time that do not', async () => {
  const tenant = await createTenant(one);
  const answers = await Promise.all(
    range(30).map((at) => {
      const batch =
        at % 3 === 0
          ? [putNote(`n${at}`), patchNote('missing', { title: 'A' })]
          : [putNote(`n${at}`)];
      const service = at % 2 === 0 ? one : two;
      return tenant.pushTo(service, batch, { atomic: true });
    }),
  );
  expect(answers.flatMap(({ processed }) => processed)).toHaveLength(20);
  expect(await tenant.head()).toBe(20);
  await expectNothingLost(tenant.checkOptions);
});
