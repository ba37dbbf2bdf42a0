import { finding, measure, rateOf, ratio } from '../findings.ts';
import type { Sample } from '../load/sample.ts';
import { alternate, type Contestant } from '../rounds.ts';
import type { BenchRun } from '../bench-run.ts';
import { countStored } from '../systems/stock.ts';
import { closedLoop, createWork, startPouch, startPushLoad } from './contestants.ts';
import type { Scenario } from './scenario.ts';

const targets = {
  floor: { atLeast: 0.6 },
  'express-pouchdb': { atLeast: 1.2 },
  'rxdb-server': { atLeast: 2.5 },
  'per-event-prisma': { atLeast: 25 },
};

export const push50: Scenario = {
  name: 'push-50',
  work: '50 events a request, 8 connections, 50 tenants with 1,000 notes each',
  unit: 'events',
  async run(bench) {
    const databaseUrl = await bench.createDatabase('landfall');
    const landfall = await bench.startLandfall(databaseUrl);
    const load = await startPushLoad(bench, 'landfall', landfall, createWork());
    const [floor, prisma, peers] = await Promise.all([
      startFloor(bench),
      startPrisma(bench),
      bench.withPeers ? startPeers(bench) : {},
    ]);
    let sent = 0;
    const samples = await alternate<string>(bench, {
      landfall: async (seconds) => {
        const sample = await load.order({ do: 'closed', seconds });
        sent += sample.units;
        return sample;
      },
      floor,
      'per-event-prisma': prisma,
      ...peers,
    });
    const rates = (name: string) => (samples[name] ?? []).map(rateOf);
    const ratios = Object.entries(targets)
      .filter(([name]) => name in samples)
      .map(([name, target]) => ratio(`landfall / ${name}`, rates('landfall'), rates(name), target));
    const lost = sent - (await countStored(databaseUrl));
    return {
      findings: [...ratios, finding('acknowledged, not stored', 'events', [lost], { atMost: 0 })],
      systems: Object.fromEntries(
        Object.entries(samples).map(([name, ofSystem]) => [name, measure(ofSystem)]),
      ),
    };
  },
};

async function startFloor(bench: BenchRun): Promise<Contestant> {
  const databaseUrl = await bench.createDatabase('floor');
  const floor = await bench.startServer('servers/floor.ts', { databaseUrl, work: createWork() });
  return (seconds) => floor.ask<Sample>({ seconds });
}

async function startPrisma(bench: BenchRun): Promise<Contestant> {
  const databaseUrl = await bench.createDatabase('prisma');
  const settings = { databaseUrl, secret: bench.secret };
  const { ready } = await bench.startServer('servers/per-event-prisma.ts', settings);
  return closedLoop(await startPushLoad(bench, 'per-event-prisma', ready, createWork()));
}

async function startPeers(bench: BenchRun): Promise<Record<string, Contestant>> {
  const work = createWork();
  const pouch = await startPouch(bench, work.tenants);
  const { ready: rxdb } = await bench.startServer('peers/rxdb-server.js', {});
  return {
    'express-pouchdb': closedLoop(await startPushLoad(bench, 'express-pouchdb', pouch, work)),
    'rxdb-server': closedLoop(await startPushLoad(bench, 'rxdb-server', rxdb, work)),
  };
}
