import { type Finding, finding, measure } from '../findings.ts';
import type { Sample } from '../load/sample.ts';
import { pageSize } from '../sizes.ts';
import type { BenchRun } from '../bench-run.ts';
import { spreadOf } from '../statistics.ts';
import { watchMemory } from '../systems/memory.ts';
import { fillStock } from '../systems/stock.ts';
import { createWork, startPullLoad, startPushLoad } from './contestants.ts';
import type { Scenario } from './scenario.ts';

const most = { atMost: 300 };
/** What the collector's own rhythm may move it by, and still be called flat. */
const flat = { atMost: 30 };
const samplesARun = 300;

export const memory: Scenario = {
  name: 'memory',
  work: 'push-50 for five minutes; a bootstrap of 10⁶ records (quick: five seconds; 2·10⁴)',
  unit: 'events',
  async run(bench) {
    const pushed = await push(bench);
    const pulled = await bootstrap(bench);
    return {
      findings: [
        ...toFindings('push-50', pushed.megabytes),
        ...toFindings('bootstrap', pulled.megabytes),
      ],
      systems: {
        'push-50': measure([pushed.sample]),
        'bootstrap (records)': measure([pulled.sample], 'page'),
      },
    };
  },
};

async function push(bench: BenchRun) {
  const landfall = await bench.startLandfall(await bench.createDatabase('landfall'));
  const load = await startPushLoad(bench, 'landfall', landfall, createWork());
  const seconds = bench.sizes.memorySeconds;
  return watched(landfall.pid, seconds, () =>
    bench.withCost(landfall.pid, () => load.order({ do: 'closed', seconds })),
  );
}

async function bootstrap(bench: BenchRun) {
  const records = bench.sizes.bootstrapRecords;
  const tenants = ['large'];
  const databaseUrl = await bench.createDatabase('large');
  await fillStock(databaseUrl, { tenants, events: records, entities: records });
  const landfall = await bench.startLandfall(databaseUrl);
  const walk = { tenants, records, limit: pageSize, lanes: 1 };
  const load = await startPullLoad(bench, 'landfall', landfall, walk);
  const requestsALane = records / pageSize;
  return watched(landfall.pid, records / 50_000, () =>
    bench.withCost(landfall.pid, () => load.order({ do: 'times', requestsALane })),
  );
}

async function watched(pid: number, seconds: number, work: () => Promise<Sample>) {
  let sample: Sample | undefined;
  const everyMs = Math.min(1_000, (seconds * 1_000) / samplesARun);
  const megabytes = await watchMemory(pid, everyMs, async () => {
    sample = await work();
  });
  if (!sample) throw new Error('nothing was measured');
  return { sample, megabytes };
}

/** Growth: from the second fifth, when the heap has found its size, to the last. */
function toFindings(name: string, megabytes: readonly number[]): readonly Finding[] {
  const fifth = Math.max(1, Math.floor(megabytes.length / 5));
  const early = spreadOf(megabytes.slice(fifth, 2 * fifth)).median;
  const late = spreadOf(megabytes.slice(-fifth)).median;
  return [
    finding(`${name}: most`, 'MB', [Math.max(...megabytes)], most),
    finding(`${name}: growth`, 'MB', [late - early], flat),
  ];
}
