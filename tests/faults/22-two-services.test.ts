import { expect, test } from 'vitest';
import { createEventWriter } from '../testkit/workload/event-writer.ts';
import { createUserOperations } from '../testkit/workload/operations.ts';
import { createRandom, type Random } from '../testkit/workload/random.ts';
import type { Device } from '../testkit/checker/device.ts';
import { putNote, type SentEvent } from '../testkit/events/sent-events.ts';
import type { ServiceProcess } from '../testkit/processes/service-process.ts';
import { newDatabase, newService, newTenant } from './fixtures.ts';

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));

/** An endpoint that a test can move from one service to another. */
function createMovingEndpoint(services: readonly ServiceProcess[]) {
  const [first] = services;
  if (!first) throw new Error('there is no service');
  let current = first;
  return {
    get url() {
      return current.url;
    },
    token: (claims: Parameters<ServiceProcess['token']>[0]) =>
      first.token({ ...claims, scope: 'sync:push sync:pull colony:admin' }),
    moveTo(service: ServiceProcess) {
      current = service;
    },
  };
}

async function startBoth() {
  const databaseUrl = await newDatabase();
  const services = await Promise.all([newService(databaseUrl), newService(databaseUrl)]);
  return { services, tenant: newTenant(databaseUrl) };
}

/** Pushes edits of all bundled kinds and pulls pages. Each request goes to a random service. */
async function work(
  device: Device,
  random: Random,
  { isFirst, move }: { isFirst: boolean; move: () => void },
): Promise<void> {
  const nextOperation = createUserOperations(isFirst);
  const writer = createEventWriter({
    device: device.name,
    random,
    now: Date.now,
    findRecord: (entityType, entityId) => device.table.get(`${entityType} ${entityId}`),
  });
  const sent: (readonly SentEvent[])[] = [];
  for (let step = 0; step < 25; step += 1) {
    move();
    const isOld = sent.length > 0 && random.chance(0.2);
    const batch = isOld ? random.pick(sent) : [0, 1, 2].flatMap(() => nextOperation(writer));
    sent.push(batch);
    await device.push(batch);
    move();
    await device.page(random.int(1, 30));
  }
}

test(`fault 22: devices that move between two services while they push lose nothing and see the same records (SEED=${seed})`, async () => {
  const { services, tenant } = await startBoth();
  const devices = Array.from({ length: 4 }, (_, index) => {
    const random = createRandom(seed, `device ${index}`);
    const endpoint = createMovingEndpoint(services);
    const device = tenant.device(`d${index}`, endpoint);
    const move = () => endpoint.moveTo(random.pick(services));
    return { device, run: () => work(device, random, { isFirst: index === 0, move }) };
  });
  await Promise.all(devices.map(({ run }) => run()));
  await Promise.all(devices.map(({ device }) => device.drain()));
  expect(tenant.history.requests.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
  await tenant.expectNothingLost();
});

test('fault 22: events that are sent to both services at the same time are stored once', async () => {
  const { services, tenant } = await startBoth();
  const devices = services.map((service, index) => tenant.device(`d${index}`, service));
  for (let round = 0; round < 20; round += 1) {
    const events = Array.from({ length: 10 }, (_, at) => putNote(`n${at}`, { title: `${round}` }));
    const requests = await Promise.all(
      devices.flatMap((device, index) => [
        device.push(index === 0 ? events : events.toReversed()),
        device.push(events.slice(index)),
      ]),
    );
    expect(requests.map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok', 'ok']);
    // One answer says that an event is new. The others say that it is a duplicate.
    const results = requests.flatMap(({ answer }) => answer?.results ?? []);
    const isNew = results.filter(({ status }) => status !== 'duplicate');
    expect(isNew).toHaveLength(events.length);
    expect(new Set(isNew.map(({ identityKey }) => identityKey)).size).toBe(events.length);
  }
  await tenant.expectNothingLost();
});

test('fault 22: a device whose service is killed while it pushes continues with the other service', async () => {
  const { services, tenant } = await startBoth();
  const [first, second] = services;
  if (!first || !second) throw new Error('a service is missing');
  const endpoint = createMovingEndpoint(services);
  const device = tenant.device('d1', endpoint);
  const queue = Array.from({ length: 30 }, (_, batch) =>
    Array.from({ length: 20 }, (_event, at) => putNote(`n${at}`, { title: `${batch}` })),
  );
  let killed: Promise<void> | undefined;
  for (const [at, batch] of queue.entries()) {
    const pushed = device.push(batch);
    if (at === 10) killed = first.kill();
    if ((await pushed).outcome !== 'ok') endpoint.moveTo(second);
    await device.page(15);
  }
  await killed;
  await device.drain();
  await tenant.expectNothingLost();
  expect(endpoint.url).toBe(second.url);
});
