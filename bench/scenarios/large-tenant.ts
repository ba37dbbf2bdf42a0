import { type Finding, measure, p50Of, type Piece, postgresRatio, ratio } from '../findings.ts';
import type { Poll } from '../load/poll-traffic.ts';
import type { Sample } from '../load/sample.ts';
import { alternate, type Contestant } from '../rounds.ts';
import { batchLanes, pageSize } from '../sizes.ts';
import type { BenchRun } from '../bench-run.ts';
import { withCheckpointsByTime } from '../systems/databases.ts';
import { countStored, fillStock } from '../systems/stock.ts';
import { closedLoop, createWork, type Place, startPollLoad, startPushLoad } from './contestants.ts';
import { findLargeTenantPolls, type LargeTenantPolls } from './large-tenant-polls.ts';
import type { Scenario } from './scenario.ts';

const tenant = 'large';

/** What is asked of both tenants, one after the other. */
const reads = [
  { name: 'a poll', polls: 'idle', expected: '"changes":[]', each: 'poll' },
  { name: 'a page of changes', polls: 'changes', expected: '"changes":[{', each: 'page' },
  { name: 'a page of a bootstrap', polls: 'bootstrap', expected: '"changes":[{', each: 'page' },
] as const satisfies readonly { polls: keyof LargeTenantPolls; [part: string]: string }[];

export const largeTenant: Scenario = {
  name: 'large-tenant',
  work: 'one tenant with 10⁷ records beside one with 10⁵ (quick: 5·10⁴ beside 10⁴): push-50 of random records, polls, pages of changes, pages from the middle of a bootstrap',
  unit: 'events',
  async run(bench) {
    const databases = {
      few: await bench.createDatabase('few'),
      many: await bench.createDatabase('many'),
    };
    return withCheckpointsByTime(databases.many, () => compareTenants(bench, databases));
  },
};

async function compareTenants(
  bench: BenchRun,
  databases: { readonly few: string; readonly many: string },
) {
  const few = await startTenant(bench, databases.few, bench.sizes.largeTenant.few);
  const many = await startTenant(bench, databases.many, bench.sizes.largeTenant.many);
  const pushes = await alternate(bench, { few: await few.push(), many: await many.push() });
  const findings: Finding[] = compare('push', pushes, 'event');
  const systems = toSystems('push', pushes, 'event', '');
  const polls = { few: await few.findPolls(), many: await many.findPolls() };
  for (const { name, polls: kind, expected, each } of reads) {
    const samples = await alternate(bench, {
      few: await few.read(polls.few[kind], expected),
      many: await many.read(polls.many[kind], expected),
    });
    findings.push(...compare(name, samples, each));
    Object.assign(systems, toSystems(name, samples, each, ` (${each}s)`));
  }
  return { findings, systems };
}

/** A service whose only tenant has so many records, each written once. */
async function startTenant(bench: BenchRun, databaseUrl: string, records: number) {
  await fillStock(databaseUrl, { tenants: [tenant], events: records, entities: records });
  const landfall: Place = await bench.startLandfall(databaseUrl);
  const work = createWork({ tenants: [tenant], entities: records, picks: 'each at random' });
  return {
    async push(): Promise<Contestant> {
      return closedLoop(await startPushLoad(bench, 'landfall', landfall, work), landfall);
    },
    async read(polls: readonly Poll[], expected: string): Promise<Contestant> {
      const load = await startPollLoad(bench, landfall, { lanes: batchLanes, polls, expected });
      return closedLoop(load, landfall);
    },
    async findPolls(): Promise<LargeTenantPolls> {
      return findLargeTenantPolls({
        url: landfall.url,
        tenant,
        token: bench.tokens([tenant])[tenant] ?? '',
        records,
        head: await countStored(databaseUrl),
        // Of the same size for both tenants, and several of them in the smaller one.
        limit: Math.min(pageSize, bench.sizes.largeTenant.few / 5),
        count: batchLanes,
      });
    },
  };
}

type Pair = { readonly few: readonly Sample[]; readonly many: readonly Sample[] };

function compare(name: string, { few, many }: Pair, each: Piece): Finding[] {
  return [
    ratio(`${name}: p50, many / few`, many.map(p50Of), few.map(p50Of)),
    ...postgresRatio(`${name}: PostgreSQL, many / few`, many, few, each),
  ];
}

/** @param counted what the rate counts, where it is not events */
function toSystems(name: string, { few, many }: Pair, each: Piece, counted: string) {
  return {
    [`${name}, few${counted}`]: measure(few, each),
    [`${name}, many${counted}`]: measure(many, each),
  };
}
