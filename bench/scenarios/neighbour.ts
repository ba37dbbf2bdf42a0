import { finding, measure, ratio } from '../findings.ts';
import type { Answers, Sample } from '../load/sample.ts';
import type { Load } from '../bench-run.ts';
import { createWork, startFlood, startPushLoad } from './contestants.ts';
import type { Scenario } from './scenario.ts';

export const neighbour: Scenario = {
  name: 'neighbour',
  work: 'one device with one event at a time, alone and while 500 requests at once of another tenant are answered',
  unit: 'events',
  async run(bench) {
    const landfall = await bench.startLandfall(await bench.createDatabase('landfall'));
    const device = await startPushLoad(
      ...([
        bench,
        'landfall',
        landfall,
        createWork({ tenants: ['quiet'], batch: 1, lanes: 1 }),
      ] as const),
    );
    const others = await startFlood(bench, landfall, createWork({ tenants: ['crowd'] }));
    const { rounds, warmUpSeconds, seconds, crowd } = bench.sizes;
    await device.order({ do: 'closed', seconds: warmUpSeconds });
    await others.order({ do: 'burst', requests: crowd });
    const alone: Sample[] = [];
    const beside: Sample[] = [];
    const refused: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      alone.push(await bench.withCost(landfall.pid, () => device.order({ do: 'closed', seconds })));
      const working = burstFor(others, crowd, seconds);
      // Its cost is mostly the crowd's, and is not read.
      beside.push(await device.order({ do: 'closed', seconds }));
      const answers = await working;
      const [offered, busy] = [sum(answers, 'offered'), sum(answers, 'unavailable')];
      refused.push((100 * busy) / offered);
    }
    const p99 = (samples: readonly Sample[]) => samples.map(({ latencyMs }) => latencyMs.p99);
    const p50 = (samples: readonly Sample[]) => samples.map(({ latencyMs }) => latencyMs.p50);
    return {
      findings: [
        ratio('p99 beside a crowd / alone', p99(beside), p99(alone)),
        ratio('p50 beside a crowd / alone', p50(beside), p50(alone)),
        finding('refused of the crowd', '%', refused),
      ],
      systems: { alone: measure(alone), 'beside a crowd': measure(beside) },
    };
  },
};

/** One crowd after the other, each when the last has its answers. */
async function burstFor(others: Load, crowd: number, seconds: number): Promise<readonly Answers[]> {
  const until = performance.now() + seconds * 1000;
  const answers: Answers[] = [];
  while (performance.now() < until) {
    const sample = await others.order({ do: 'burst', requests: crowd });
    if (sample.answers) answers.push(sample.answers);
  }
  return answers;
}

function sum(answers: readonly Answers[], name: 'offered' | 'unavailable'): number {
  return answers.reduce((total, one) => total + one[name], 0);
}
