import { chmod, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PostgreSqlContainer } from '@testcontainers/postgresql';
import { processStartMark } from '../../dev/embedded-postgres/processes.ts';
import { startEmbedded, stopOrphan } from '../../dev/embedded-postgres/embedded-postgres.ts';

export type TestServer = { url: string; origin: string; stop(): Promise<void> };

const PREFIX = 'landfall-test-';

/** TEST_DATABASE_URL; else a container where a Docker daemon answers; else the embedded one. */
export async function startServer(): Promise<TestServer> {
  const url = process.env.TEST_DATABASE_URL;
  if (url) return { url, origin: 'TEST_DATABASE_URL', stop: async () => {} };
  return (await startContainer()) ?? startTemporary();
}

async function startContainer(): Promise<TestServer | undefined> {
  try {
    const container = await new PostgreSqlContainer('postgres:18').start();
    return {
      url: container.getConnectionUri(),
      origin: 'a container of postgres:18',
      stop: async () => void (await container.stop()),
    };
  } catch (error) {
    if (!/container runtime/.test(String(error))) {
      process.stderr.write(`tests: no container for PostgreSQL (${String(error)})\n`);
    }
    return undefined;
  }
}

/** An embedded PostgreSQL in a new folder, which goes when it stops. */
export async function startTemporary(): Promise<TestServer> {
  const dataDir = await makeDataDir();
  const embedded = await startEmbedded({ dataDir, log: { info: () => {} } });
  return {
    url: embedded.url,
    origin: `the embedded PostgreSQL in ${dataDir}`,
    stop: async () => {
      await embedded.stop();
      await removeDataDir(dataDir);
    },
  };
}

/** A new folder of this process. Ends and removes those of processes that were killed. */
export async function makeDataDir(): Promise<string> {
  await sweep();
  const dataDir = await mkdtemp(
    join(tmpdir(), `${PREFIX}${process.pid}.${processStartMark(process.pid)}.`),
  );
  // Under root the database runs as nobody, who has to get in.
  await chmod(dataDir, 0o755);
  return dataDir;
}

/** `<dataDir>/pg` may be a link to where the database's user can reach it. */
export async function removeDataDir(dataDir: string): Promise<void> {
  const home = await realpath(join(dataDir, 'pg')).then(dirname, () => dataDir);
  // A database that is being stopped may write its last while it goes.
  const whatIsThere = { recursive: true, force: true, maxRetries: 20 };
  await rm(home, whatIsThere);
  await rm(dataDir, whatIsThere);
}

async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const [pid = '', mark] = name.slice(PREFIX.length).split('.');
    if (processStartMark(Number(pid)) === mark) continue;
    const dataDir = join(tmpdir(), name);
    // Another user's stays.
    const free = await stopOrphan(dataDir).catch(() => false);
    if (free) await removeDataDir(dataDir);
  }
}
