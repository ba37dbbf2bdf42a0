import { measure, rateOf, ratio } from '../findings.ts';
import { alternate } from '../rounds.ts';
import { closedLoop, createWork, startPushLoad } from './contestants.ts';
import type { Scenario } from './scenario.ts';

export const hotTenant: Scenario = {
  name: 'hot-tenant',
  work: 'push-50 with all 8 connections on one tenant',
  unit: 'events',
  async run(bench) {
    const landfall = await bench.startLandfall(await bench.createDatabase('landfall'));
    const start = async (work = createWork()) =>
      closedLoop(await startPushLoad(bench, 'landfall', landfall, work), landfall);
    const samples = await alternate(bench, {
      hot: await start(createWork({ tenants: ['hot'] })),
      spread: await start(),
    });
    const rates = [samples.hot.map(rateOf), samples.spread.map(rateOf)] as const;
    return {
      findings: [ratio('one tenant / 50 tenants', ...rates, { atLeast: 0.9 })],
      systems: { 'one tenant': measure(samples.hot), '50 tenants': measure(samples.spread) },
    };
  },
};
