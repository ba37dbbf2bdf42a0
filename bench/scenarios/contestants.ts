import type { LoadPlan, PullTarget, PushTarget } from '../load/plan.ts';
import type { Poll } from '../load/poll-traffic.ts';
import type { Walk } from '../load/pull-traffic.ts';
import type { Work } from '../load/work.ts';
import type { Contestant } from '../rounds.ts';
import { batchLanes, batchSize, entityCount, tenantCount } from '../sizes.ts';
import type { Load, BenchRun } from '../bench-run.ts';

export function tenantNames(count = tenantCount): readonly string[] {
  return Array.from({ length: count }, (_, index) => `tenant-${index}`);
}

/** Of `push-50`, unless told otherwise. */
export function createWork(changes: Partial<Work> = {}): Work {
  return {
    tenants: tenantNames(),
    entities: entityCount,
    batch: batchSize,
    lanes: batchLanes,
    startedAt: Date.now(),
    ...changes,
  };
}

/** A system that was started. */
export interface Place {
  readonly url: string;
  readonly pid: number;
}

/** @param module the path of the server's module, relative to bench/ */
export async function startPlace(
  bench: BenchRun,
  module: string,
  settings: object,
): Promise<Place> {
  const { ready, pid } = await bench.startServer(module, settings);
  return { url: ready.url, pid };
}

export function startPushLoad(
  bench: BenchRun,
  to: PushTarget,
  { url }: Pick<Place, 'url'>,
  work: Work,
): Promise<Load> {
  const { lanes, tenants } = work;
  const plan: LoadPlan = {
    url,
    lanes,
    tokens: bench.tokens(tenants),
    traffic: { kind: 'push', to, work },
  };
  return bench.startLoad(plan);
}

/** The same work from clients that take any answer. */
export function startFlood(
  bench: BenchRun,
  { url }: Pick<Place, 'url'>,
  work: Work,
): Promise<Load> {
  const plan: LoadPlan = {
    url,
    lanes: 0,
    tokens: bench.tokens(work.tenants),
    traffic: { kind: 'flood', work },
  };
  return bench.startLoad(plan);
}

export function startPullLoad(
  bench: BenchRun,
  from: PullTarget,
  { url }: Pick<Place, 'url'>,
  walk: Walk,
): Promise<Load> {
  const { lanes, tenants } = walk;
  const plan: LoadPlan = {
    url,
    lanes,
    tokens: bench.tokens(tenants),
    traffic: { kind: 'pull', from, walk },
  };
  return bench.startLoad(plan);
}

/** The same requests to several tenants again and again. @param expected stands in every answer */
export function startPollLoad(
  bench: BenchRun,
  { url }: Pick<Place, 'url'>,
  { lanes, polls, expected }: { lanes: number; polls: readonly Poll[]; expected: string },
): Promise<Load> {
  const tokens = bench.tokens(polls.map(({ tenant }) => tenant));
  return bench.startLoad({ url, lanes, tokens, traffic: { kind: 'poll', polls, expected } });
}

/** @param place of the system that the load is for */
export function closedLoop(load: Load, { pid }: Pick<Place, 'pid'>): Contestant {
  return { pid, run: (seconds) => load.order({ do: 'closed', seconds }) };
}

/** express-pouchdb with a LevelDB for each tenant. */
export function startPouch(bench: BenchRun, tenants: readonly string[]): Promise<Place> {
  const settings = { folder: bench.newFolder('pouchdb'), databases: tenants };
  return startPlace(bench, 'peers/express-pouchdb.js', settings);
}
