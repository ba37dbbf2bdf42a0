import { measure, rateOf, ratio } from '../findings.ts';
import type { Poll } from '../load/poll-traffic.ts';
import { alternate } from '../rounds.ts';
import type { BenchRun } from '../bench-run.ts';
import { fillStock } from '../systems/stock.ts';
import { closedLoop, type Place, startPlace, startPollLoad, tenantNames } from './contestants.ts';
import type { Scenario } from './scenario.ts';

const lanes = 64;
/** A tenant. */
const records = 100;

export const idlePoll: Scenario = {
  name: 'idle-poll',
  work: 'pulls that find nothing, 64 connections, 50 tenants',
  unit: 'polls',
  async run(bench) {
    const tenants = tenantNames();
    const tokens = bench.tokens(tenants);
    const databaseUrl = await bench.createDatabase('landfall');
    await fillStock(databaseUrl, { tenants, events: records, entities: records });
    const landfall = await bench.startLandfall(databaseUrl);
    const bare = await startPlace(bench, 'servers/bare-token.ts', { secret: bench.secret });
    const start = async (place: Place, polls: readonly Poll[]) => {
      const load = await startPollLoad(bench, place, { lanes, polls, expected: '"changes":[]' });
      return closedLoop(load, place);
    };
    const samples = await alternate(bench, {
      landfall: await start(landfall, await findPolls(landfall.url, tokens)),
      bare: await start(
        bare,
        tenants.map((tenant) => ({ tenant, path: '/' })),
      ),
    });
    const rates = [samples.landfall.map(rateOf), samples.bare.map(rateOf)] as const;
    return {
      findings: [ratio('landfall / only the token', ...rates, { atLeast: 0.75 })],
      systems: {
        landfall: measure(samples.landfall, 'poll'),
        'only the token': measure(samples.bare, 'poll'),
      },
    };
  },
};

/** Each tenant's pull after its last record. */
async function findPolls(
  url: string,
  tokens: ReturnType<BenchRun['tokens']>,
): Promise<readonly Poll[]> {
  const polls = Object.entries(tokens).map(async ([tenant, token]) => {
    const headers = { authorization: `Bearer ${token}` };
    const path = `/api/sync/changes?limit=${records}`;
    const answer = await fetch(url + path, { headers });
    const { checkpoint } = (await answer.json()) as { checkpoint: string };
    return { tenant, path: `${path}&since=${checkpoint}` };
  });
  return Promise.all(polls);
}
