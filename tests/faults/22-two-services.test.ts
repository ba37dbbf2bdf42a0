import { expect, test } from 'vitest';
import { createAuthor } from '../../soak/edits/create-author.ts';
import { createDeeds } from '../../soak/edits/deeds.ts';
import { createRandom, type Random } from '../../soak/random.ts';
import type { Device } from '../testkit/checker/device.ts';
import type { SentEvent } from '../testkit/oracle/events.ts';
import { put } from '../testkit/oracle/events.ts';
import type { Service } from '../testkit/service.ts';
import { newDatabase, newService, newTenant } from './stage.ts';

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));

/** A device's way to whichever service it is sent to next. */
function moving(services: readonly Service[]) {
  const [first] = services;
  if (!first) throw new Error('nowhere to go');
  let at = first;
  return {
    get url() {
      return at.url;
    },
    token: (claims: Parameters<Service['token']>[0]) =>
      first.token({ ...claims, scope: 'sync:push sync:pull colony:admin' }),
    goTo(service: Service) {
      at = service;
    },
  };
}

async function startBoth() {
  const databaseUrl = await newDatabase();
  const services = await Promise.all([newService(databaseUrl), newService(databaseUrl)]);
  return { services, tenant: newTenant(databaseUrl) };
}

/** Edits of all bundled kinds, each batch and each page at whichever service chance has it. */
async function live(
  device: Device,
  random: Random,
  { isFirst, move }: { isFirst: boolean; move: () => void },
): Promise<void> {
  const act = createDeeds(isFirst);
  const author = createAuthor({
    device: device.name,
    random,
    now: Date.now,
    find: (entityType, entityId) => device.table.get(`${entityType} ${entityId}`),
  });
  const sent: (readonly SentEvent[])[] = [];
  for (let step = 0; step < 25; step += 1) {
    move();
    const isOld = sent.length > 0 && random.chance(0.2);
    const batch = isOld ? random.pick(sent) : [0, 1, 2].flatMap(() => act(author));
    sent.push(batch);
    await device.push(batch);
    move();
    await device.page(random.int(1, 30));
  }
}

test(`fault 22: devices that move between two services in mid-queue lose nothing and see the same (SEED=${seed})`, async () => {
  const { services, tenant } = await startBoth();
  const devices = Array.from({ length: 4 }, (_, index) => {
    const random = createRandom(seed, `device ${index}`);
    const way = moving(services);
    const device = tenant.device(`d${index}`, way);
    const move = () => way.goTo(random.pick(services));
    return { device, work: () => live(device, random, { isFirst: index === 0, move }) };
  });
  await Promise.all(devices.map(({ work }) => work()));
  await Promise.all(devices.map(({ device }) => device.drain()));
  expect(tenant.history.requests.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
  await tenant.expectNothingLost();
});

test('fault 22: of batches sent to both services at once each event is stored once', async () => {
  const { services, tenant } = await startBoth();
  const devices = services.map((service, index) => tenant.device(`d${index}`, service));
  for (let round = 0; round < 20; round += 1) {
    const events = Array.from({ length: 10 }, (_, at) => put(`n${at}`, { title: `${round}` }));
    const requests = await Promise.all(
      devices.flatMap((device, index) => [
        device.push(index === 0 ? events : events.toReversed()),
        device.push(events.slice(index)),
      ]),
    );
    expect(requests.map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok', 'ok']);
  }
  await tenant.expectNothingLost();
});

test('fault 22: a device whose service is killed in mid-queue goes on at the other', async () => {
  const { services, tenant } = await startBoth();
  const [first, second] = services;
  if (!first || !second) throw new Error('both were started');
  const way = moving(services);
  const device = tenant.device('d1', way);
  const queue = Array.from({ length: 30 }, (_, batch) =>
    Array.from({ length: 20 }, (_event, at) => put(`n${at}`, { title: `${batch}` })),
  );
  let killed: Promise<void> | undefined;
  for (const [at, batch] of queue.entries()) {
    const pushed = device.push(batch);
    if (at === 10) killed = first.kill();
    if ((await pushed).outcome !== 'ok') way.goTo(second);
    await device.page(15);
  }
  await killed;
  await device.drain();
  await tenant.expectNothingLost();
  expect(way.url).toBe(second.url);
});
