import type { LoadPlan, PullTarget, PushTarget } from '../load/plan.ts';
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

type Place = { readonly url: string };

export function startPushLoad(
  bench: BenchRun,
  to: PushTarget,
  { url }: Place,
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
export function startFlood(bench: BenchRun, { url }: Place, work: Work): Promise<Load> {
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
  { url }: Place,
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

export function closedLoop(load: Load): Contestant {
  return (seconds) => load.order({ do: 'closed', seconds });
}

/** express-pouchdb with a LevelDB for each tenant. */
export async function startPouch(bench: BenchRun, tenants: readonly string[]): Promise<Place> {
  const settings = { folder: bench.newFolder('pouchdb'), databases: tenants };
  return (await bench.startServer('peers/express-pouchdb.js', settings)).ready;
}
