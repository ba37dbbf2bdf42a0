import { costFindings, finding, measure, rateOf, ratio } from '../findings.ts';
import type { Sample } from '../load/sample.ts';
import { countStored } from '../systems/stock.ts';
import { createWork, startPushLoad } from './contestants.ts';
import type { Scenario } from './scenario.ts';

export const replay: Scenario = {
  name: 'replay',
  work: 'push-50, then each of its requests once more',
  unit: 'events',
  async run(bench) {
    const databaseUrl = await bench.createDatabase('landfall');
    const landfall = await bench.startLandfall(databaseUrl);
    const load = await startPushLoad(bench, 'landfall', landfall, createWork());
    const { rounds, warmUpSeconds, seconds } = bench.sizes;
    await load.order({ do: 'closed', seconds: warmUpSeconds });
    await load.order({ do: 'again' });
    await bench.analyzeDatabases();
    const first: Sample[] = [];
    const again: Sample[] = [];
    const written: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      first.push(await bench.withCost(landfall.pid, () => load.order({ do: 'closed', seconds })));
      const before = await countStored(databaseUrl);
      again.push(await bench.withCost(landfall.pid, () => load.order({ do: 'again' })));
      written.push((await countStored(databaseUrl)) - before);
    }
    return {
      findings: [
        ratio('second time / first', again.map(rateOf), first.map(rateOf), { atLeast: 1 }),
        finding('stored by the second time', 'events', written, { atMost: 0 }),
        ...costFindings(again, 'event', [
          { name: 'WAL of the second time, an event', part: 'walBytes' },
        ]),
      ],
      systems: { 'first time': measure(first), 'second time': measure(again) },
    };
  },
};
