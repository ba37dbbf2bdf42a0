import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Device } from '../testkit/checker/device.ts';
import { patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import type { TcpProxy } from '../testkit/network/tcp-proxy.ts';
import { createRandom, type Random } from '../testkit/workload/random.ts';
import { newDatabase, newProxy, newService, newTenant } from './fixtures.ts';
import { nthStatement, readScenarios, recordStatements, unavailableAnswer } from './reads.ts';
import {
  endpointOf,
  faultScenarios,
  isCommitOfPush,
  recordTransaction,
  statementAt,
} from './scenarios.ts';

test.each(faultScenarios)(
  'fault 9: a reset at each statement of $name stores all of it or nothing',
  async (scenario) => {
    const databaseUrl = await newDatabase();
    const network = await newProxy(databaseUrl);
    const service = await newService(network.url);
    const target = { databaseUrl, endpoint: endpointOf(() => service) };
    const { statements, storedEvents } = await recordTransaction(scenario, target, network);
    for (const index of statements.keys()) {
      for (const reachesServer of [false, true]) {
        const prepared = await scenario.prepare(target);
        const before = await prepared.countStored();
        const match = statementAt(statements, index);
        const reset = reachesServer
          ? network.resetAfter(match)
          : network.holdRequest(match).then((statement) => statement.reset());
        expect(await prepared.send()).toMatchObject({ status: 503 });
        await reset;
        const possible = reachesServer ? [before, before + storedEvents] : [before];
        expect(possible).toContain(await prepared.countStored());
        await prepared.sendUntilDone();
        expect(await prepared.countStored()).toBe(before + storedEvents);
        await prepared.tenant.expectNothingLost();
      }
    }
  },
);

test('fault 9: a reset at each statement of a read is answered 503', async () => {
  const databaseUrl = await newDatabase();
  const network = await newProxy(databaseUrl);
  const service = await newService(network.url);
  for (const read of readScenarios) {
    const prepared = await read.prepare({ databaseUrl, endpoint: endpointOf(() => service) });
    for (const [index, statement] of (await recordStatements(prepared, network)).entries()) {
      const reset = network.holdRequest(nthStatement(index)).then((held) => held.reset());
      const answer = await prepared.send();
      await reset;
      const context = { read: read.name, statement };
      expect({ ...answer, ...context }).toEqual({ ...unavailableAnswer, ...context });
    }
    await prepared.sendUntilDone();
  }
});

const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
const runs = Number(process.env.RUNS ?? 15);

test(`fault 9: latency, sliced packets and resets on both sides of the service apply no batch in part (SEED=${seed})`, async () => {
  const random = createRandom(seed, 'network');
  const databaseUrl = await newDatabase();
  const databaseProxies = [await newProxy(databaseUrl), await newProxy(databaseUrl)] as const;
  const services = [
    await newService(databaseProxies[0].url),
    await newService(databaseProxies[1].url),
  ] as const;
  const clientProxies = [await newProxy(services[0].port), await newProxy(services[1].port)];
  const networks = [...databaseProxies, ...clientProxies];
  const tenant = newTenant(databaseUrl);
  const devices = clientProxies.flatMap(({ url }, index) =>
    ['a', 'b'].map((name) => {
      const endpoint = { ...endpointOf(() => services[0]), url };
      return tenant.device(`${name}${index}`, endpoint);
    }),
  );

  for (let run = 0; run < runs; run += 1) {
    for (const network of networks) slowDown(network, random);
    await Promise.all([
      ...devices.map((device) => pushSome(device, random)),
      ...devices.map((device) => device.page(random.int(1, 5))),
      ...networks.filter(() => random.chance(0.3)).map((network) => breakOnce(network, random)),
    ]);
    for (const device of devices) if (random.chance(0.3)) await device.retryUnknown();
  }

  for (const network of networks) network.clearFaults();
  for (const device of devices) await device.drain();
  const outcomes = new Set(tenant.history.requests.map(({ outcome }) => outcome));
  expect([...outcomes].toSorted()).toEqual(expect.arrayContaining(['ok', 'unknown']));
  await tenant.expectNothingLost();
});

function slowDown(network: TcpProxy, random: Random): void {
  const [maxLatency, maxChunk] = [random.pick([0, 1, 4]), random.pick([5, 50, 2_000, 100_000])];
  network.setLatency(() => random.int(0, maxLatency));
  network.setChunkSize(() => random.int(1, maxChunk));
}

/** Resets the open connections, or one connection when it sends something. */
async function breakOnce(network: TcpProxy, random: Random): Promise<void> {
  const someMessage = () => random.chance(0.2);
  random.pick([
    () => network.resetConnections(),
    () => void network.resetAfter(someMessage),
    () => void network.holdRequest(someMessage).then((held) => held.reset()),
    () => void network.loseAnswerTo(someMessage),
    () => void network.loseAnswerTo(isCommitOfPush),
  ])();
}

async function pushSome(device: Device, random: Random): Promise<void> {
  const events = Array.from({ length: random.int(1, 12) }, () => {
    const id = `n${random.int(1, 9)}`;
    const title = 'x'.repeat(random.int(0, 400));
    const createEvent = random.pick([
      () => putNote(id, { title }),
      () => patchNote(id, { title }),
      () => removeNote(id),
    ]);
    return createEvent();
  });
  await device.push(events, { atomic: random.chance(0.5) });
}
