import { type Finding, finding, measure, p50Of, ratio } from '../findings.ts';
import type { Sample } from '../load/sample.ts';
import { alternate } from '../rounds.ts';
import { batchLanes, entityCount, tenantCount } from '../sizes.ts';
import type { BenchRun } from '../bench-run.ts';
import { withCheckpointsByTime } from '../systems/databases.ts';
import { fillStock, logBytes } from '../systems/stock.ts';
import {
  closedLoop,
  createWork,
  startPullLoad,
  startPushLoad,
  tenantNames,
} from './contestants.ts';
import type { Scenario } from './scenario.ts';

const targets = { push: { atMost: 1.3 }, pull: { atMost: 1.1 } };
const tenants = tenantNames();

export const growth: Scenario = {
  name: 'growth',
  work: 'push-50, and pages of all 1,000 records of a tenant, with 10⁷ events stored beside 10⁵ (quick: 5·10⁴ beside 10⁴, and 200 records)',
  unit: 'events',
  async run(bench) {
    const databases = {
      few: await bench.createDatabase('few'),
      many: await bench.createDatabase('many'),
    };
    return withCheckpointsByTime(databases.many, () => compare(bench, databases));
  },
};

async function compare(bench: BenchRun, databases: { few: string; many: string }) {
  const sizes = bench.sizes.growth;
  // The records are the same: it is the log that grows.
  const entities = Math.min(entityCount, sizes.few / tenantCount);
  for (const size of ['few', 'many'] as const) {
    const events = sizes[size] / tenantCount;
    await fillStock(databases[size], { tenants, events, entities });
  }
  const bytes = (await logBytes(databases.many)) / sizes.many;
  const few = await startOn(bench, databases.few, entities);
  const many = await startOn(bench, databases.many, entities);
  const pushes = await alternate(bench, { few: few.push, many: many.push });
  const pulls = await alternate(bench, { few: few.pull, many: many.pull });
  return {
    findings: [
      compareP50('push p50, many / few', pushes, targets.push),
      compareP50('pull p50, many / few', pulls, targets.pull),
      finding('the log on disk, an event', 'bytes', [bytes]),
    ],
    systems: {
      'push, few': measure(pushes.few),
      'push, many': measure(pushes.many),
      'pull, few (records)': measure(pulls.few, 'page'),
      'pull, many (records)': measure(pulls.many, 'page'),
    },
  };
}

async function startOn(bench: BenchRun, databaseUrl: string, entities: number) {
  const landfall = await bench.startLandfall(databaseUrl);
  const walk = { tenants, records: entities, limit: entities, lanes: batchLanes };
  const work = createWork({ entities });
  return {
    push: closedLoop(await startPushLoad(bench, 'landfall', landfall, work), landfall),
    pull: closedLoop(await startPullLoad(bench, 'landfall', landfall, walk), landfall),
  };
}

type Pair = { readonly few: readonly Sample[]; readonly many: readonly Sample[] };

function compareP50(name: string, { few, many }: Pair, target: Finding['target']): Finding {
  return ratio(name, many.map(p50Of), few.map(p50Of), target);
}
