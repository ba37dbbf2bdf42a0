import { join } from 'node:path';
import { type PostgresProcess, startPostgres } from '../tests/testkit/postgres/postgres-process.ts';
import { openStage } from '../tests/testkit/processes/stage.ts';
import { openServiceNode, type ServiceNode } from './service-node.ts';

/** What the soak tests: PostgreSQL and two services on one database. */
export interface Deployment {
  readonly folder: string;
  readonly postgres: PostgresProcess;
  readonly nodes: readonly [ServiceNode, ServiceNode];
  /** Ends every fault: all processes run, and the proxies pass all traffic. */
  recover(): Promise<void>;
  /** Stops everything. @param keepFolder leaves the folder with the database and the logs */
  close(keepFolder: boolean): Promise<void>;
}

export async function openDeployment(): Promise<Deployment> {
  const stage = await openStage('soak');
  const closing = new AbortController();
  const close = (keepFolder: boolean) => {
    closing.abort();
    return stage.close(keepFolder);
  };
  try {
    const postgres = stage.add(await startPostgres({ dataDir: join(stage.folder, 'postgres') }));
    const openNode = async (name: string) => {
      const options = { name, dataDir: join(stage.folder, name), databaseUrl: postgres.url };
      return stage.add(await openServiceNode({ ...options, closing: closing.signal }));
    };
    const nodes = [await openNode('A'), await openNode('B')] as const;
    return {
      folder: stage.folder,
      postgres,
      nodes,
      async recover() {
        postgres.thaw();
        for (const { clientProxy, databaseProxy } of nodes) {
          clientProxy.clearFaults();
          databaseProxy.clearFaults();
        }
        await Promise.all(nodes.map((node) => node.start()));
      },
      close,
    };
  } catch (error) {
    await close(false);
    throw error;
  }
}
