import { costFindings, measure, rateOf, ratio } from '../findings.ts';
import type { Walk } from '../load/pull-traffic.ts';
import { alternate, type Contestant } from '../rounds.ts';
import { batchLanes, batchSize, pageSize } from '../sizes.ts';
import type { BenchRun } from '../bench-run.ts';
import { fillStock } from '../systems/stock.ts';
import {
  closedLoop,
  createWork,
  startPlace,
  startPouch,
  startPullLoad,
  startPushLoad,
  tenantNames,
} from './contestants.ts';
import { measureCodings } from './page-codings.ts';
import type { Scenario } from './scenario.ts';

/** One for each connection, so that each connection can fill its own. */
const tenants = tenantNames(batchLanes);

export const pull1000: Scenario = {
  name: 'pull-1000',
  work: 'a tenant from its first page to its last, pages of 1,000 records, 8 connections',
  unit: 'records',
  async run(bench) {
    const records = bench.sizes.pullRecords;
    const walk: Walk = { tenants, records, limit: pageSize, lanes: batchLanes };
    const databaseUrl = await bench.createDatabase('landfall');
    await fillStock(databaseUrl, { tenants, events: records, entities: records });
    const landfall = await bench.startLandfall(databaseUrl);
    const bare = await startPlace(bench, 'servers/bare-page.ts', { databaseUrl });
    const samples = await alternate<string>(bench, {
      landfall: closedLoop(await startPullLoad(bench, 'landfall', landfall, walk), landfall),
      'bare-page': closedLoop(await startPullLoad(bench, 'bare-page', bare, walk), bare),
      ...(bench.withPeers && { 'express-pouchdb': await startPouchPull(bench, walk) }),
    });
    const codings = await measureCodings(bench, landfall, tenants[0] ?? '');
    const rates = (name: string) => (samples[name] ?? []).map(rateOf);
    const own = rates('landfall');
    return {
      findings: [
        ratio('landfall / the same SELECT, bare', own, rates('bare-page'), { atLeast: 1 }),
        ...(bench.withPeers
          ? [ratio('landfall / express-pouchdb', own, rates('express-pouchdb'), { atLeast: 4 })]
          : []),
        ...costFindings(samples.landfall ?? [], 'page', [
          { name: 'PostgreSQL, a page', part: 'postgresMicros', target: { atMost: 2_000 } },
        ]),
        ...codings,
      ],
      systems: Object.fromEntries(
        Object.entries(samples).map(([name, ofSystem]) => [name, measure(ofSystem, 'page')]),
      ),
    };
  },
};

async function startPouchPull(bench: BenchRun, walk: Walk): Promise<Contestant> {
  const pouch = await startPouch(bench, tenants);
  const work = createWork({ tenants, entities: walk.records, picks: 'in order' });
  const filling = await startPushLoad(bench, 'express-pouchdb', pouch, work);
  await filling.order({ do: 'times', requestsALane: walk.records / batchSize });
  return closedLoop(await startPullLoad(bench, 'express-pouchdb', pouch, walk), pouch);
}
