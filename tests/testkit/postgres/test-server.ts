import { PostgreSqlContainer } from '@testcontainers/postgresql';
import { startEmbedded } from '../../../dev/embedded-postgres/embedded-postgres.ts';
import { makeDataDir, removeDataDir } from './data-dir.ts';

/** The PostgreSQL server of a test run. */
export interface TestServer {
  readonly url: string;
  /** Where the server comes from, for people to read. */
  readonly description: string;
  stop(): Promise<void>;
}

/** The server of TEST_DATABASE_URL; otherwise a container, where Docker runs; otherwise the embedded PostgreSQL. */
export async function startTestServer(): Promise<TestServer> {
  const url = process.env.TEST_DATABASE_URL;
  if (url) return { url, description: 'TEST_DATABASE_URL', stop: async () => {} };
  return (await startContainer()) ?? startTemporaryPostgres();
}

async function startContainer(): Promise<TestServer | undefined> {
  try {
    const container = await new PostgreSqlContainer('postgres:18').start();
    return {
      url: container.getConnectionUri(),
      description: 'a container of postgres:18',
      stop: async () => void (await container.stop()),
    };
  } catch (error) {
    if (!/container runtime/.test(String(error))) {
      process.stderr.write(`tests: no container for PostgreSQL (${String(error)})\n`);
    }
    return undefined;
  }
}

/** An embedded PostgreSQL in a new folder. `stop` removes the folder. */
export async function startTemporaryPostgres(): Promise<TestServer> {
  const dataDir = await makeDataDir();
  const embedded = await startEmbedded({ dataDir, log: { info: () => {} } });
  return {
    url: embedded.url,
    description: `the embedded PostgreSQL in ${dataDir}`,
    stop: async () => {
      await embedded.stop();
      await removeDataDir(dataDir);
    },
  };
}
