import { costFindings, measure, rateOf, ratio } from '../findings.ts';
import type { Sample } from '../load/sample.ts';
import { alternate } from '../rounds.ts';
import { closedLoop, createWork, startPouch, startPushLoad } from './contestants.ts';
import type { Scenario } from './scenario.ts';

const lanes = 64;

/** A request brings one event. */
const costs = (samples: readonly Sample[]) =>
  costFindings(samples, 'event', [
    { name: 'service, a request', part: 'serviceMicros', target: { atMost: 150 } },
    { name: 'PostgreSQL, a request', part: 'postgresMicros', target: { atMost: 70 } },
  ]);

export const push1: Scenario = {
  name: 'push-1',
  work: 'one event a request, 64 connections, 50 tenants with 1,000 notes each',
  unit: 'events',
  async run(bench) {
    const work = createWork({ batch: 1, lanes });
    const landfall = await bench.startLandfall(await bench.createDatabase('landfall'));
    const own = closedLoop(await startPushLoad(bench, 'landfall', landfall, work), landfall);
    if (!bench.withPeers) {
      const samples = await alternate(bench, { landfall: own });
      return {
        findings: costs(samples.landfall),
        systems: { landfall: measure(samples.landfall) },
      };
    }
    const pouch = await startPouch(bench, work.tenants);
    const samples = await alternate(bench, {
      landfall: own,
      pouch: closedLoop(await startPushLoad(bench, 'express-pouchdb', pouch, work), pouch),
    });
    const rates = [samples.landfall.map(rateOf), samples.pouch.map(rateOf)] as const;
    return {
      findings: [
        ratio('landfall / express-pouchdb', ...rates, { atLeast: 2 }),
        ...costs(samples.landfall),
      ],
      systems: {
        landfall: measure(samples.landfall),
        'express-pouchdb': measure(samples.pouch),
      },
    };
  },
};
