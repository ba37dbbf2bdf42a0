import { type Finding, measure, rateOf, ratio } from '../findings.ts';
import type { Sample } from '../load/sample.ts';
import { alternate, type Contestant } from '../rounds.ts';
import type { BenchRun } from '../bench-run.ts';
import { dropRowSecurity } from '../systems/row-security.ts';
import { closedLoop, createWork, startPushLoad } from './contestants.ts';
import type { Scenario } from './scenario.ts';

/** Counted, and never reached. */
const limits = {
  RATE_LIMIT_ADDRESS: '100000000',
  RATE_LIMIT_TENANT: '100000000',
  RATE_LIMIT_SUBJECT: '100000000',
};

export const defences: Scenario = {
  name: 'defences',
  work: 'push-50 with and without what can be taken away: rate limits, row level security',
  unit: 'events',
  async run(bench) {
    const bareUrl = await bench.createDatabase('bare');
    const hadRowSecurity = await dropRowSecurity(bareUrl);
    const contestants = {
      plain: await start(bench, await bench.createDatabase('plain')),
      limited: await start(bench, await bench.createDatabase('limited'), limits),
      ...(hadRowSecurity && { bare: await start(bench, bareUrl) }),
    };
    const samples: Record<string, readonly Sample[]> = await alternate<string>(bench, contestants);
    const rates = (name: string) => (samples[name] ?? []).map(rateOf);
    const findings: Finding[] = [
      ratio('with rate limits / without', rates('limited'), rates('plain')),
    ];
    if ('bare' in samples) {
      findings.push(ratio('with row level security / without', rates('plain'), rates('bare')));
    }
    const names = {
      plain: 'as in push-50',
      limited: 'with rate limits',
      bare: 'without row level security',
    };
    return {
      findings,
      systems: Object.fromEntries(
        Object.entries(names).flatMap(([name, said]) =>
          name in samples ? [[said, measure(samples[name] ?? [])]] : [],
        ),
      ),
    };
  },
};

async function start(
  bench: BenchRun,
  databaseUrl: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Contestant> {
  const landfall = await bench.startLandfall(databaseUrl, { env });
  return closedLoop(await startPushLoad(bench, 'landfall', landfall, createWork()), landfall);
}
