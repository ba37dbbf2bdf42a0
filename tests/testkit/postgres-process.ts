import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { findBinaries } from '../../dev/embedded-postgres/binaries.ts';
import { ensureCluster } from '../../dev/embedded-postgres/cluster.ts';
import { findClusterLocation, type ClusterLocation } from '../../dev/embedded-postgres/location.ts';
import { stopPostmaster, urlOf } from '../../dev/embedded-postgres/postmaster.ts';
import {
  BARE_ENVIRONMENT,
  changeOwner,
  type UserIdentity,
  processStartMark,
  signal,
} from '../../dev/embedded-postgres/processes.ts';
import { migrate } from '../../src/postgres/migrate/migrate.ts';
import { makeDataDir, removeDataDir } from './postgres.ts';
import { treeOf } from './process-tree.ts';
import type pg from 'pg';
import { withClient } from './template.ts';

export interface PostgresOptions {
  /** As in postgresql.conf, over those of the test's own: `{ max_connections: '20' }`. */
  readonly settings?: { readonly [name: string]: string };
  /** Beside a bare environment, such as a library that moves the server's clock. */
  readonly env?: NodeJS.ProcessEnv;
  /** A folder of the test's, which stays; by default a new one, which goes with `stop`. */
  readonly dataDir?: string;
  /** Where the server is to run, as in a mount namespace of the test's: what starts it there. */
  readonly inside?: Entrance;
}

/** The command line that runs `command` in some place, as `identity`, in the same process. */
export type Entrance = (command: Command, identity: UserIdentity | undefined) => Command;
export type Command = readonly [file: string, ...args: string[]];

/**
 * A PostgreSQL of a test's own, as processes that it can kill. It keeps every promise of durability
 * (fsync, synchronous_commit, full_page_writes).
 */
export interface PostgresProcess {
  /** A migrated, empty database; the same over restarts. Goes through a unix socket. */
  readonly url: string;
  readonly dataDir: string;
  /** Of the postmaster. */
  pid(): number;
  /** SIGKILL to the postmaster and to all its processes; resolves when none of them is left. */
  kill(): Promise<void>;
  /** Again, with the same data at the same address; resolves when it takes connections. */
  start(): Promise<void>;
  /** SIGSTOP to all its processes: it answers nothing, and its connections stay open. */
  freeze(): void;
  thaw(): void;
  /** For good, in whatever state it is. */
  stop(): Promise<void>;
}

const START_MS = 60_000;
const DATABASE = 'landfall';

const SETTINGS = {
  listen_addresses: '',
  port: '5432',
  max_connections: '100',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  log_min_error_statement: 'panic',
  log_checkpoints: 'off',
};

export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresProcess> {
  const dataDir = options.dataDir ?? (await makeDataDir());
  const place = await findClusterLocation(dataDir);
  const binaries = await findBinaries(place.identity);
  await ensureCluster(place, binaries);
  const endWithTest = () => signalAll('SIGKILL');
  const url = urlOf(place.sockets, DATABASE);
  let postmaster = 0;
  /** Those of the last `freeze`. */
  let frozen: readonly number[] = [];

  function signalAll(name: NodeJS.Signals): readonly number[] {
    // A postmaster that stands still starts no process behind the list.
    if (!postmaster || !signal(postmaster, 'SIGSTOP')) return [];
    const tree = treeOf(postmaster);
    for (const pid of tree) signal(pid, name);
    return tree;
  }

  async function start(): Promise<void> {
    if (postmaster && processStartMark(postmaster) !== undefined)
      throw new Error('it runs already');
    postmaster = await spawnServer(place, binaries.postgres, options);
    await waitUntilReady(place, postmaster);
  }

  async function kill(): Promise<void> {
    const tree = signalAll('SIGKILL');
    while (tree.some((pid) => processStartMark(pid) !== undefined)) await sleep(5);
    frozen = [];
  }

  function thaw(): void {
    for (const pid of frozen) signal(pid, 'SIGCONT');
    frozen = [];
  }

  process.once('exit', endWithTest);
  const running: PostgresProcess = {
    url,
    dataDir,
    pid: () => postmaster,
    kill,
    start,
    freeze() {
      frozen = [...new Set([...frozen, ...signalAll('SIGSTOP')])];
    },
    thaw,
    async stop() {
      thaw();
      await stopPostmaster(place, postmaster);
      await kill();
      process.off('exit', endWithTest);
      rmSync(place.sockets, { recursive: true, force: true });
      if (options.dataDir === undefined) await removeDataDir(dataDir);
    },
  };
  try {
    await start();
    await withClient(urlOf(place.sockets, 'postgres'), (client) => createDatabase(client));
    await migrate(url);
    return running;
  } catch (error) {
    await running.stop();
    throw error;
  }
}

/** @returns the postmaster's process id */
async function spawnServer(place: ClusterLocation, postgres: string, options: PostgresOptions) {
  mkdirSync(place.sockets, { recursive: true, mode: 0o700 });
  changeOwner(place.identity, place.sockets);
  const log = openSync(place.logFile, 'a', 0o600);
  changeOwner(place.identity, place.logFile);
  const settings = { ...SETTINGS, unix_socket_directories: place.sockets, ...options.settings };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const { inside, env } = options;
  const plain: Command = [postgres, '-D', place.data, ...args];
  const [file, ...rest] = inside?.(plain, place.identity) ?? plain;
  const child = spawn(file, rest, {
    ...(inside ? {} : place.identity),
    cwd: '/',
    env: { ...BARE_ENVIRONMENT, ...env },
    // Ctrl-C in the terminal is for the test run, which then ends it.
    detached: true,
    stdio: ['ignore', log, log],
  });
  child.unref();
  closeSync(log);
  await once(child, 'spawn');
  return child.pid ?? 0;
}

async function waitUntilReady(place: ClusterLocation, postmaster: number): Promise<void> {
  const deadline = Date.now() + START_MS;
  for (let obstacle: unknown; ; await sleep(20)) {
    try {
      return await withClient(urlOf(place.sockets, 'postgres'), async () => {});
    } catch (error) {
      obstacle = error;
    }
    if (processStartMark(postmaster) !== undefined && Date.now() < deadline) continue;
    const log = readFileSync(place.logFile, 'utf8').split('\n').slice(-20).join('\n');
    throw new Error(`PostgreSQL does not start:\n${log}`, { cause: obstacle });
  }
}

async function createDatabase(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
  if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
}
