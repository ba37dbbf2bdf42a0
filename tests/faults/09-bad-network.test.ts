import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { createRandom, type Random } from '../../soak/random.ts';
import type { Device } from '../testkit/checker/device.ts';
import { patch, put, remove } from '../testkit/oracle/events.ts';
import type { TcpProxy } from '../testkit/tcp-proxy.ts';
import { nthStatement, reads, statementsOf, unavailable } from './reads.ts';
import { entranceOf, isCommitOfPush, rehearse, scenarios, statementAt } from './scenarios.ts';
import { newDatabase, newProxy, newService, newTenant } from './stage.ts';

test.each(scenarios)(
  'fault 9: a reset at each statement of $name stores all of it or nothing',
  async (scenario) => {
    const databaseUrl = await newDatabase();
    const network = await newProxy(databaseUrl);
    const service = await newService(network.url);
    const stage = { databaseUrl, at: entranceOf(() => service) };
    const { statements, stores } = await rehearse(scenario, stage, network);
    for (const index of statements.keys()) {
      for (const reachesTheServer of [false, true]) {
        const act = await scenario.prepare(stage);
        const before = await act.stored();
        const match = statementAt(statements, index);
        const cut = reachesTheServer
          ? network.cutAfter(match)
          : network.stopAt(match).then((kept) => kept.cut());
        expect(await act.ask()).toMatchObject({ status: 503 });
        await cut;
        const possible = reachesTheServer ? [before, before + stores] : [before];
        expect(possible).toContain(await act.stored());
        await act.finish();
        expect(await act.stored()).toBe(before + stores);
        await act.tenant.expectNothingLost();
      }
    }
  },
);

test('fault 9: a reset at each statement of whatever is read answers 503', async () => {
  const databaseUrl = await newDatabase();
  const network = await newProxy(databaseUrl);
  const service = await newService(network.url);
  for (const read of reads) {
    const act = await read.prepare({ databaseUrl, at: entranceOf(() => service) });
    for (const [index, statement] of (await statementsOf(act, network)).entries()) {
      const cut = network.stopAt(nthStatement(index)).then((kept) => kept.cut());
      const answer = await act.ask();
      await cut;
      expect({ ...answer, read, statement }).toEqual({ ...unavailable, read, statement });
    }
    await act.finish();
  }
});

const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
const runs = Number(process.env.RUNS ?? 15);

test(`fault 9: latency, sliced packets and resets on both sides of the service apply nothing in part (SEED=${seed})`, async () => {
  const random = createRandom(seed, 'network');
  const databaseUrl = await newDatabase();
  const [database, other] = [await newProxy(databaseUrl), await newProxy(databaseUrl)];
  const service = await newService(database.url);
  const second = await newService(other.url);
  const networks = [database, other, await newProxy(service.port), await newProxy(second.port)];
  const tenant = newTenant(databaseUrl);
  const devices = networks.slice(2).flatMap(({ url }, index) =>
    ['a', 'b'].map((name) => {
      const at = { ...entranceOf(() => service), url };
      return tenant.device(`${name}${index}`, at);
    }),
  );

  for (let run = 0; run < runs; run += 1) {
    for (const network of networks) worsen(network, random);
    await Promise.all([
      ...devices.map((device) => pushSome(device, random)),
      ...devices.map((device) => device.page(random.int(1, 5))),
      ...networks.filter(() => random.chance(0.3)).map((network) => breakOnce(network, random)),
    ]);
    for (const device of devices) if (random.chance(0.3)) await device.retryUnknown();
  }

  for (const network of networks) {
    network.delay(0);
    network.slice(Number.POSITIVE_INFINITY);
  }
  for (const device of devices) await device.drain();
  const outcomes = new Set(tenant.history.requests.map(({ outcome }) => outcome));
  expect([...outcomes].toSorted()).toEqual(expect.arrayContaining(['ok', 'unknown']));
  await tenant.expectNothingLost();
});

function worsen(network: TcpProxy, random: Random): void {
  const [latest, largest] = [random.pick([0, 1, 4]), random.pick([5, 50, 2_000, 100_000])];
  network.delay(() => random.int(0, latest));
  network.slice(() => random.int(1, largest));
}

/** Resets what it has open, at once or when something comes by. */
async function breakOnce(network: TcpProxy, random: Random): Promise<void> {
  const some = () => random.chance(0.2);
  random.pick([
    () => network.cut(),
    () => void network.cutAfter(some),
    () => void network.stopAt(some).then((kept) => kept.cut()),
    () => void network.loseAnswerTo(some),
    () => void network.loseAnswerTo(isCommitOfPush),
  ])();
}

async function pushSome(device: Device, random: Random): Promise<void> {
  const events = Array.from({ length: random.int(1, 12) }, () => {
    const id = `n${random.int(1, 9)}`;
    const title = 'x'.repeat(random.int(0, 400));
    return random.pick([() => put(id, { title }), () => patch(id, { title }), () => remove(id)])();
  });
  await device.push(events, { atomic: random.chance(0.5) });
}
