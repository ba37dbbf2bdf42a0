import { measure, rateOf, ratio } from '../findings.ts';
import { alternate } from '../rounds.ts';
import { closedLoop, createWork, startPouch, startPushLoad } from './contestants.ts';
import type { Scenario } from './scenario.ts';

const lanes = 64;

export const push1: Scenario = {
  name: 'push-1',
  work: 'one event a request, 64 connections, 50 tenants with 1,000 notes each',
  unit: 'events',
  async run(stage) {
    const work = createWork({ batch: 1, lanes });
    const landfall = await stage.startLandfall(await stage.createDatabase('landfall'));
    const own = closedLoop(await startPushLoad(stage, 'landfall', landfall, work));
    if (!stage.withPeers) {
      const samples = await alternate(stage, { landfall: own });
      return { findings: [], systems: { landfall: measure(samples.landfall) } };
    }
    const pouch = await startPouch(stage, work.tenants);
    const samples = await alternate(stage, {
      landfall: own,
      pouch: closedLoop(await startPushLoad(stage, 'express-pouchdb', pouch, work)),
    });
    const rates = [samples.landfall.map(rateOf), samples.pouch.map(rateOf)] as const;
    return {
      findings: [ratio('landfall / express-pouchdb', ...rates, { atLeast: 3 })],
      systems: {
        landfall: measure(samples.landfall),
        'express-pouchdb': measure(samples.pouch),
      },
    };
  },
};
