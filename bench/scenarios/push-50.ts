import { costFindings, type Finding, finding, measure, rateOf, ratio } from '../findings.ts';
import { alternate, type Contestant } from '../rounds.ts';
import type { BenchRun } from '../bench-run.ts';
import type { Sample } from '../load/sample.ts';
import type { FloorName, FloorSettings } from '../servers/floor.ts';
import { batchSize } from '../sizes.ts';
import { countStored } from '../systems/stock.ts';
import { closedLoop, createWork, startPlace, startPouch, startPushLoad } from './contestants.ts';
import type { Scenario } from './scenario.ts';

/** By the systems that Landfall is compared with. Undefined: for orientation. */
const targets: { readonly [system: string]: Finding['target'] } = {
  'old floor': { atLeast: 0.5 },
  floor: undefined,
  copy: undefined,
  'express-pouchdb': { atLeast: 1.2 },
  'rxdb-server': { atLeast: 2.5 },
  'per-event-prisma': { atLeast: 25 },
};

/**
 * Events a statement. The two leaner floors have the best size of those that were tried: with 200 they took 1.4 to 1.6
 * times as many events as with 50, and with 500 hardly more, at twice the time for an answer. The old floor keeps the
 * size that it had.
 */
const floorBatches: { readonly [Name in FloorName]: number } = {
  'old floor': batchSize,
  floor: 200,
  copy: 200,
};

export const push50: Scenario = {
  name: 'push-50',
  work: '50 events a request, 8 connections, 50 tenants with 1,000 notes each',
  unit: 'events',
  async run(bench) {
    const databaseUrl = await bench.createDatabase('landfall');
    const landfall = await bench.startLandfall(databaseUrl);
    const load = await startPushLoad(bench, 'landfall', landfall, createWork());
    const [oldFloor, floor, copy, prisma, peers] = await Promise.all([
      startFloor(bench, 'old floor'),
      startFloor(bench, 'floor'),
      startFloor(bench, 'copy'),
      startPrisma(bench),
      bench.withPeers ? startPeers(bench) : {},
    ]);
    let sent = 0;
    const samples = await alternate<string>(bench, {
      landfall: {
        pid: landfall.pid,
        run: async (seconds) => {
          const sample = await load.order({ do: 'closed', seconds });
          sent += sample.units;
          return sample;
        },
      },
      'old floor': oldFloor,
      floor,
      copy,
      'per-event-prisma': prisma,
      ...peers,
    });
    const own = samples.landfall ?? [];
    const rates = (name: string) => (samples[name] ?? []).map(rateOf);
    const ratios = Object.entries(targets)
      .filter(([name]) => name in samples)
      .map(([name, target]) => ratio(`landfall / ${name}`, own.map(rateOf), rates(name), target));
    const costs = costFindings(own, 'event', [
      { name: 'PostgreSQL, an event', part: 'postgresMicros', target: { atMost: 32 } },
      { name: 'service, an event', part: 'serviceMicros', target: { atMost: 30 } },
    ]);
    const lost = sent - (await countStored(databaseUrl));
    return {
      findings: [
        ...ratios,
        ...costs,
        finding('acknowledged, not stored', 'events', [lost], { atMost: 0 }),
      ],
      systems: Object.fromEntries(
        Object.entries(samples).map(([name, ofSystem]) => [name, measure(ofSystem)]),
      ),
    };
  },
};

async function startFloor(bench: BenchRun, floor: FloorName): Promise<Contestant> {
  const databaseUrl = await bench.createDatabase(floor.replace(' ', '-'));
  const work = createWork({ batch: floorBatches[floor] });
  const settings: FloorSettings = { floor, databaseUrl, work };
  const server = await bench.startServer('servers/floor.ts', settings);
  return { pid: server.pid, run: (seconds) => server.ask<Sample>({ seconds }) };
}

async function startPrisma(bench: BenchRun): Promise<Contestant> {
  const databaseUrl = await bench.createDatabase('prisma');
  const settings = { databaseUrl, secret: bench.secret };
  const place = await startPlace(bench, 'servers/per-event-prisma.ts', settings);
  return closedLoop(await startPushLoad(bench, 'per-event-prisma', place, createWork()), place);
}

async function startPeers(bench: BenchRun): Promise<Record<string, Contestant>> {
  const work = createWork();
  const pouch = await startPouch(bench, work.tenants);
  const rxdb = await startPlace(bench, 'peers/rxdb-server.js', {});
  return {
    'express-pouchdb': closedLoop(
      await startPushLoad(bench, 'express-pouchdb', pouch, work),
      pouch,
    ),
    'rxdb-server': closedLoop(await startPushLoad(bench, 'rxdb-server', rxdb, work), rxdb),
  };
}
