import type { LoadPlan, PullTarget, PushTarget } from '../load/plan.ts';
import type { Walk } from '../load/pull-traffic.ts';
import type { Work } from '../load/work.ts';
import type { Contestant } from '../rounds.ts';
import { batchLanes, batchSize, entityCount, tenantCount } from '../sizes.ts';
import type { Load, Stage } from '../stage.ts';

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
  stage: Stage,
  to: PushTarget,
  { url }: Place,
  work: Work,
): Promise<Load> {
  const { lanes, tenants } = work;
  const plan: LoadPlan = {
    url,
    lanes,
    tokens: stage.tokens(tenants),
    traffic: { kind: 'push', to, work },
  };
  return stage.startLoad(plan);
}

/** The same work from clients that take any answer. */
export function startFlood(stage: Stage, { url }: Place, work: Work): Promise<Load> {
  const plan: LoadPlan = {
    url,
    lanes: 0,
    tokens: stage.tokens(work.tenants),
    traffic: { kind: 'flood', work },
  };
  return stage.startLoad(plan);
}

export function startPullLoad(
  stage: Stage,
  from: PullTarget,
  { url }: Place,
  walk: Walk,
): Promise<Load> {
  const { lanes, tenants } = walk;
  const plan: LoadPlan = {
    url,
    lanes,
    tokens: stage.tokens(tenants),
    traffic: { kind: 'pull', from, walk },
  };
  return stage.startLoad(plan);
}

export function closedLoop(load: Load): Contestant {
  return (seconds) => load.order({ do: 'closed', seconds });
}

/** express-pouchdb with a LevelDB for each tenant. */
export async function startPouch(stage: Stage, tenants: readonly string[]): Promise<Place> {
  const settings = { folder: stage.newFolder('pouchdb'), databases: tenants };
  return (await stage.startServer('peers/express-pouchdb.js', settings)).ready;
}
