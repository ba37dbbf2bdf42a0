import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { allScopes, issueToken } from '../src/http/auth/issue-token.ts';
import { type Child, startChild } from './child.ts';
import type { LoadOrder, LoadPlan } from './load/plan.ts';
import type { Sample } from './load/sample.ts';
import type { Sizes } from './sizes.ts';
import type { Databases } from './systems/databases.ts';
import { type Landfall, type LandfallOptions, startLandfall } from './systems/landfall.ts';

export interface StageOptions {
  readonly sizes: Sizes;
  /** For logs and databases of files; it is the stage's own. */
  readonly folder: string;
  readonly databases: Databases;
  readonly withPeers: boolean;
  readonly profileFolder: string | undefined;
}

/** A process that puts one system under load. */
export interface Load {
  order(order: LoadOrder): Promise<Sample>;
}

/** What one scenario starts; all of it ends with the scenario. */
export interface Stage {
  readonly sizes: Sizes;
  readonly withPeers: boolean;
  readonly secret: string;
  readonly tokens: (tenants: readonly string[]) => Readonly<Record<string, string>>;
  createDatabase(name: string): Promise<string>;
  /**
   * Gathers the statistics of all its databases, as autovacuum does within a minute of the first rows.
   * Until then PostgreSQL keeps the plans that it made for empty tables.
   */
  readonly settle: () => Promise<void>;
  startLandfall(
    databaseUrl: string,
    changes?: Pick<LandfallOptions, 'env' | 'heapFile'>,
  ): Promise<Landfall>;
  /** @param module from bench/ */
  startServer(module: string, settings: object): Promise<Child<{ readonly url: string }>>;
  startLoad(plan: LoadPlan): Promise<Load>;
  /** A folder that is not there yet. */
  newFolder(name: string): string;
}

const tokenMs = 24 * 3_600_000;

/** Runs `use` on a stage and clears the stage, whatever comes. */
export async function onStage<Result>(
  options: StageOptions,
  use: (stage: Stage) => Promise<Result>,
): Promise<Result> {
  const stops: (() => Promise<void>)[] = [];
  const folder = join(options.folder, randomBytes(4).toString('hex'));
  await mkdir(folder, { recursive: true });
  try {
    return await use(createStage(options, folder, stops));
  } finally {
    for (const stop of stops.toReversed()) await stop();
    await options.databases.drop();
    await rm(folder, { recursive: true, force: true });
  }
}

function createStage(
  { sizes, databases, withPeers, profileFolder }: StageOptions,
  folder: string,
  stops: (() => Promise<void>)[],
): Stage {
  const secret = randomBytes(32).toString('hex');
  const keep = <Started extends { stop(): Promise<void> }>(started: Started): Started => {
    stops.push(() => started.stop());
    return started;
  };
  const startServer = async <Ready>(module: string, settings: object) =>
    keep(await startChild<Ready>(new URL(module, import.meta.url), settings));
  return {
    sizes,
    withPeers,
    secret,
    tokens: (tenants) =>
      Object.fromEntries(tenants.map((tenant) => [tenant, sign(secret, tenant)])),
    createDatabase: (name) => databases.create(name),
    settle: () => databases.analyze(),
    startServer,
    newFolder: (name) => join(folder, name),
    async startLandfall(databaseUrl, changes = {}) {
      const logFile = join(folder, `landfall-${stops.length}.log`);
      return keep(await startLandfall({ databaseUrl, secret, logFile, profileFolder, ...changes }));
    },
    async startLoad(plan) {
      const child = await startServer<unknown>('load/process.ts', plan);
      return { order: (order) => child.ask<Sample>(order) };
    },
  };
}

function sign(secret: string, tenant: string): string {
  return issueToken(
    {
      ...{ mode: 'secret', secret, issuer: undefined, audience: undefined },
      claims: { tenant: 'tenant', device: 'device', subject: 'sub', scopes: ['scope'] },
    },
    { tenant, device: 'laptop', subject: 'bench', scope: allScopes, ttlMs: tokenMs },
  );
}
