import { finding, measure } from '../findings.ts';
import type { Sample } from '../load/sample.ts';
import { createWork, startPushLoad } from './contestants.ts';
import type { Scenario } from './scenario.ts';

/** Requests a second. */
const rate = 200;

export const latency: Scenario = {
  name: 'latency',
  work: '200 requests of 50 events a second on schedule; time counts from the scheduled moment',
  unit: 'events',
  async run(bench) {
    const landfall = await bench.startLandfall(await bench.createDatabase('landfall'));
    const load = await startPushLoad(bench, 'landfall', landfall, createWork());
    const { rounds, warmUpSeconds, latencySeconds } = bench.sizes;
    await load.order({ do: 'closed', seconds: warmUpSeconds });
    await bench.analyzeDatabases();
    const samples: Sample[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const order = { do: 'open', rate, seconds: latencySeconds } as const;
      samples.push(await bench.withCost(landfall.pid, () => load.order(order)));
    }
    const above = samples.map(({ latencyMs }) => latencyMs.p99 - latencyMs.p50);
    const longest = samples.map(({ latencyMs }) => latencyMs.max);
    return {
      findings: [
        finding('p99 above p50', 'ms', above, { atMost: 25 }),
        finding('longest', 'ms', longest),
      ],
      systems: { landfall: measure(samples) },
    };
  },
};
