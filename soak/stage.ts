import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PostgresProcess, startPostgres } from '../tests/testkit/postgres-process.ts';
import type { TcpProxy } from '../tests/testkit/tcp-proxy.ts';
import { type Node, openNode } from './node.ts';

/** What the soak plays on: PostgreSQL, and two services on one database, each between two proxies. */
export interface Stage {
  readonly folder: string;
  readonly postgres: PostgresProcess;
  readonly nodes: readonly [Node, Node];
  /** Ends every fault: all processes run, and nothing stands between them. */
  calm(): Promise<void>;
  /** Nothing is left running. @param keep leaves the folder where it is */
  close(keep: boolean): Promise<void>;
}

export async function openStage(): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'landfall-soak-'));
  // Under root PostgreSQL runs as nobody, who has to get in.
  await chmod(folder, 0o755);
  const closing = new AbortController();
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (keep: boolean) => {
    closing.abort();
    for (const closer of closers.splice(0).toReversed()) await closer();
    if (!keep) await rm(folder, { recursive: true, force: true });
  };
  try {
    const postgres = await startPostgres({ dataDir: join(folder, 'postgres') });
    closers.push(() => postgres.stop());
    const open = async (name: string): Promise<Node> => {
      const dataDir = join(folder, name);
      const node = await openNode({
        name,
        dataDir,
        databaseUrl: postgres.url,
        closing: closing.signal,
      });
      closers.push(() => node.stop());
      return node;
    };
    const nodes = [await open('A'), await open('B')] as const;
    return {
      folder,
      postgres,
      nodes,
      async calm() {
        postgres.thaw();
        for (const { clients, database } of nodes) [clients, database].forEach(soothe);
        await Promise.all(nodes.map((node) => node.start()));
      },
      close,
    };
  } catch (error) {
    await close(false);
    throw error;
  }
}

/** Whatever was done to a network is over. */
export function soothe(proxy: TcpProxy): void {
  proxy.accept();
  proxy.delay(0);
  proxy.slice(Number.POSITIVE_INFINITY);
  proxy.release();
}
