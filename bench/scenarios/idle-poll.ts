import { measure, rateOf, ratio } from '../findings.ts';
import { alternate } from '../rounds.ts';
import type { BenchRun } from '../bench-run.ts';
import { fillStock } from '../systems/stock.ts';
import { closedLoop, tenantNames } from './contestants.ts';
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
    const { ready: bare } = await bench.startServer('servers/bare-token.ts', {
      secret: bench.secret,
    });
    const start = async (url: string, paths: Readonly<Record<string, string>>) => {
      const traffic = { kind: 'poll', paths, expected: '"changes":[]' } as const;
      return closedLoop(await bench.startLoad({ url, lanes, tokens, traffic }));
    };
    const samples = await alternate(bench, {
      landfall: await start(landfall.url, await findPaths(landfall.url, tokens)),
      bare: await start(bare.url, Object.fromEntries(tenants.map((tenant) => [tenant, '/']))),
    });
    const rates = [samples.landfall.map(rateOf), samples.bare.map(rateOf)] as const;
    return {
      findings: [ratio('landfall / only the token', ...rates, { atLeast: 0.7 })],
      systems: { landfall: measure(samples.landfall), 'only the token': measure(samples.bare) },
    };
  },
};

/** Each tenant's pull after its last record. */
async function findPaths(url: string, tokens: ReturnType<BenchRun['tokens']>) {
  const entries = Object.entries(tokens).map(async ([tenant, token]) => {
    const headers = { authorization: `Bearer ${token}` };
    const path = `/api/sync/changes?limit=${records}`;
    const answer = await fetch(url + path, { headers });
    const { checkpoint } = (await answer.json()) as { checkpoint: string };
    return [tenant, `${path}&since=${checkpoint}`] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}
