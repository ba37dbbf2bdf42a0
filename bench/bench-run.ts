import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { allScopes, issueToken } from '../src/http/auth/issue-token.ts';
import { openStage, type Stage } from '../tests/testkit/processes/stage.ts';
import { type Child, startChild } from './child.ts';
import type { LoadOrder, LoadPlan } from './load/plan.ts';
import type { Sample } from './load/sample.ts';
import type { Sizes } from './sizes.ts';
import type { CostMeter } from './systems/cost-meter.ts';
import type { Databases } from './systems/databases.ts';
import { type Landfall, type LandfallOptions, startLandfall } from './systems/landfall.ts';

export interface BenchRunOptions {
  readonly sizes: Sizes;
  /** The parent of the run's folder with logs and file databases. */
  readonly folder: string;
  readonly databases: Databases;
  readonly costs: CostMeter;
  readonly withPeers: boolean;
  readonly profileFolder: string | undefined;
}

/** A process that puts one system under load. */
export interface Load {
  order(order: LoadOrder): Promise<Sample>;
}

/** The run of one scenario. It starts the systems and the load, and stops them when the scenario ends. */
export interface BenchRun {
  readonly sizes: Sizes;
  readonly withPeers: boolean;
  readonly secret: string;
  readonly tokens: (tenants: readonly string[]) => Readonly<Record<string, string>>;
  createDatabase(name: string): Promise<string>;
  /**
   * Gathers the planner's statistics of all databases of the run, as autovacuum does within a minute of the first
   * rows. Until then PostgreSQL uses the plans that it made for empty tables.
   */
  readonly analyzeDatabases: () => Promise<void>;
  /**
   * Runs a measurement, and adds to its sample what it cost.
   *
   * @param pid of the process that does the work, beside PostgreSQL
   */
  readonly withCost: (pid: number, work: () => Promise<Sample>) => Promise<Sample>;
  startLandfall(
    databaseUrl: string,
    changes?: Pick<LandfallOptions, 'env' | 'heapFile'>,
  ): Promise<Landfall>;
  /** @param module the path of the server's module, relative to bench/ */
  startServer(module: string, settings: object): Promise<Child<{ readonly url: string }>>;
  startLoad(plan: LoadPlan): Promise<Load>;
  /** The path for a new folder. The caller creates it. */
  newFolder(name: string): string;
}

const tokenMs = 24 * 3_600_000;

/** Runs a scenario, and then stops all that it has started, also after an error. */
export async function withBenchRun<Result>(
  options: BenchRunOptions,
  run: (bench: BenchRun) => Promise<Result>,
): Promise<Result> {
  await mkdir(options.folder, { recursive: true });
  const stage = await openStage('bench', options.folder);
  // The stage stops this last, when no system uses the databases any more.
  stage.add({ stop: () => options.databases.drop() });
  try {
    return await run(createBenchRun(options, stage));
  } finally {
    await stage.close();
  }
}

function createBenchRun(
  { sizes, databases, costs, withPeers, profileFolder }: BenchRunOptions,
  stage: Stage,
): BenchRun {
  const secret = randomBytes(32).toString('hex');
  let services = 0;
  const startServer = async <Ready>(module: string, settings: object) =>
    stage.add(await startChild<Ready>(new URL(module, import.meta.url), settings));
  return {
    sizes,
    withPeers,
    secret,
    tokens: (tenants) =>
      Object.fromEntries(tenants.map((tenant) => [tenant, signToken(secret, tenant)])),
    createDatabase: (name) => databases.create(name),
    analyzeDatabases: () => databases.analyze(),
    withCost: (pid, work) => costs.measure(pid, work),
    startServer,
    newFolder: (name) => join(stage.folder, name),
    async startLandfall(databaseUrl, changes = {}) {
      services += 1;
      const logFile = join(stage.folder, `landfall-${services}.log`);
      const options = { databaseUrl, secret, logFile, profileFolder, ...changes };
      return stage.add(await startLandfall(options));
    },
    async startLoad(plan) {
      const child = await startServer<unknown>('load/process.ts', plan);
      return { order: (order) => child.ask<Sample>(order) };
    },
  };
}

function signToken(secret: string, tenant: string): string {
  return issueToken(
    {
      ...{ mode: 'secret', secret, issuer: undefined, audience: undefined },
      claims: { tenant: 'tenant', device: 'device', subject: 'sub', scopes: ['scope'] },
    },
    { tenant, device: 'laptop', subject: 'bench', scope: allScopes, ttlMs: tokenMs },
  );
}
