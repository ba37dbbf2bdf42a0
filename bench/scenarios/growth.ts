import { type Finding, measure, ratio } from '../findings.ts';
import type { Sample } from '../load/sample.ts';
import { alternate } from '../rounds.ts';
import { batchLanes, entityCount, tenantCount } from '../sizes.ts';
import type { BenchRun } from '../bench-run.ts';
import { withCheckpointsByTime } from '../systems/databases.ts';
import { fillStock } from '../systems/stock.ts';
import {
  closedLoop,
  createWork,
  startPullLoad,
  startPushLoad,
  tenantNames,
} from './contestants.ts';
import type { Scenario } from './scenario.ts';

const target = { atMost: 1.5 };
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
  const few = await startOn(bench, databases.few, entities);
  const many = await startOn(bench, databases.many, entities);
  const pushes = await alternate(bench, { few: few.push, many: many.push });
  const pulls = await alternate(bench, { few: few.pull, many: many.pull });
  return {
    findings: [
      compareP50('push p50, many / few', pushes),
      compareP50('pull p50, many / few', pulls),
    ],
    systems: {
      'push, few': measure(pushes.few),
      'push, many': measure(pushes.many),
      'pull, few (records)': measure(pulls.few),
      'pull, many (records)': measure(pulls.many),
    },
  };
}

async function startOn(bench: BenchRun, databaseUrl: string, entities: number) {
  const landfall = await bench.startLandfall(databaseUrl);
  const walk = { tenants, records: entities, limit: entities, lanes: batchLanes };
  return {
    push: closedLoop(await startPushLoad(bench, 'landfall', landfall, createWork({ entities }))),
    pull: closedLoop(await startPullLoad(bench, 'landfall', landfall, walk)),
  };
}

type Pair = { readonly few: readonly Sample[]; readonly many: readonly Sample[] };

function compareP50(name: string, { few, many }: Pair): Finding {
  const p50 = ({ latencyMs }: Sample) => latencyMs.p50;
  return ratio(name, many.map(p50), few.map(p50), target);
}
