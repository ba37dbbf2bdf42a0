import { startChild } from '../child.ts';

export interface Cluster {
  readonly url: string;
  stop(): Promise<void>;
}

/** The cluster that `BENCH_DATABASE_URL` names, else the embedded PostgreSQL in `folder`. */
export async function openCluster(folder: string, env: NodeJS.ProcessEnv): Promise<Cluster> {
  if (env.BENCH_DATABASE_URL) return { url: env.BENCH_DATABASE_URL, stop: async () => {} };
  const server = new URL('../servers/postgres.ts', import.meta.url);
  const child = await startChild<{ readonly url: string }>(server, { folder });
  return { url: child.ready.url, stop: () => child.stop() };
}
