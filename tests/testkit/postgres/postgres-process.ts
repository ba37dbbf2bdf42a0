import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { findBinaries } from '../../../dev/embedded-postgres/binaries.ts';
import { ensureCluster } from '../../../dev/embedded-postgres/cluster.ts';
import {
  findClusterLocation,
  type ClusterLocation,
} from '../../../dev/embedded-postgres/location.ts';
import { stopPostmaster, urlOf } from '../../../dev/embedded-postgres/postmaster.ts';
import {
  BARE_ENVIRONMENT,
  changeOwner,
  type UserIdentity,
  signal,
} from '../../../dev/embedded-postgres/processes.ts';
import { migrate } from '../../../src/postgres/migrate/migrate.ts';
import { makeDataDir, removeDataDir } from './data-dir.ts';
import { isRunning } from '../processes/child-process.ts';
import { processTreeOf } from '../processes/process-tree.ts';
import type pg from 'pg';
import { withClient } from './client.ts';

export interface PostgresProcessOptions {
  /** Settings of postgresql.conf, such as `{ max_connections: '20' }`. They replace the defaults below. */
  readonly settings?: { readonly [name: string]: string };
  /** Environment variables, such as those of a library that changes the server's clock. */
  readonly env?: NodeJS.ProcessEnv;
  /** The caller's folder, which `stop` leaves; by default a new folder, which `stop` removes. */
  readonly dataDir?: string;
  /** Starts the server in another place, such as a mount namespace. */
  readonly wrapCommand?: CommandWrapper;
}

/** Changes a command line so that it runs `command` in another place, as `identity`, with the same process id. */
export type CommandWrapper = (
  command: CommandLine,
  identity: UserIdentity | undefined,
) => CommandLine;
export type CommandLine = readonly [file: string, ...args: string[]];

/** A PostgreSQL server that a test can kill. It is fully durable: fsync, synchronous_commit, full_page_writes. */
export interface PostgresProcess {
  /** A migrated, empty database, over a unix socket. The URL is the same after a restart. */
  readonly url: string;
  readonly dataDir: string;
  /** The process id of the postmaster. */
  pid(): number;
  /** Sends SIGKILL to the postmaster and to all its processes. Resolves once all have ended. */
  kill(): Promise<void>;
  /** Starts the server again, with the same data and URL. Resolves once it accepts connections. */
  start(): Promise<void>;
  /** Sends SIGSTOP to all its processes: the server answers nothing, and its connections stay open. */
  freeze(): void;
  thaw(): void;
  /** Stops the server for good, whether it runs, is frozen or was killed. */
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

export async function startPostgres(
  options: PostgresProcessOptions = {},
): Promise<PostgresProcess> {
  const dataDir = options.dataDir ?? (await makeDataDir());
  const place = await findClusterLocation(dataDir);
  const binaries = await findBinaries(place.identity);
  await ensureCluster(place, binaries);
  const endWithParent = () => signalAll('SIGKILL');
  const url = urlOf(place.sockets, DATABASE);
  let postmaster = 0;
  /** The processes that `freeze` has stopped. */
  let frozen: readonly number[] = [];

  function signalAll(name: NodeJS.Signals): readonly number[] {
    // A stopped postmaster starts no process that the tree would not contain.
    if (!postmaster || !signal(postmaster, 'SIGSTOP')) return [];
    const tree = processTreeOf(postmaster);
    for (const pid of tree) signal(pid, name);
    return tree;
  }

  async function start(): Promise<void> {
    if (postmaster && isRunning(postmaster)) throw new Error('PostgreSQL runs already');
    postmaster = await spawnServer(place, binaries.postgres, options);
    await waitUntilReady(place, postmaster);
  }

  async function kill(): Promise<void> {
    const tree = signalAll('SIGKILL');
    while (tree.some(isRunning)) await sleep(5);
    frozen = [];
  }

  function thaw(): void {
    for (const pid of frozen) signal(pid, 'SIGCONT');
    frozen = [];
  }

  process.once('exit', endWithParent);
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
      process.off('exit', endWithParent);
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
async function spawnServer(
  place: ClusterLocation,
  postgres: string,
  options: PostgresProcessOptions,
) {
  mkdirSync(place.sockets, { recursive: true, mode: 0o700 });
  changeOwner(place.identity, place.sockets);
  const log = openSync(place.logFile, 'a', 0o600);
  changeOwner(place.identity, place.logFile);
  const settings = { ...SETTINGS, unix_socket_directories: place.sockets, ...options.settings };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const { wrapCommand, env } = options;
  const command: CommandLine = [postgres, '-D', place.data, ...args];
  const [file, ...rest] = wrapCommand?.(command, place.identity) ?? command;
  const child = spawn(file, rest, {
    ...(wrapCommand ? {} : place.identity),
    cwd: '/',
    env: { ...BARE_ENVIRONMENT, ...env },
    // A process group of its own: Ctrl-C in the terminal reaches the parent only, which then stops the server.
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
  for (let lastError: unknown; ; await sleep(20)) {
    try {
      return await withClient(urlOf(place.sockets, 'postgres'), async () => {});
    } catch (error) {
      lastError = error;
    }
    if (isRunning(postmaster) && Date.now() < deadline) continue;
    const log = readFileSync(place.logFile, 'utf8').split('\n').slice(-20).join('\n');
    throw new Error(`PostgreSQL does not start:\n${log}`, { cause: lastError });
  }
}

async function createDatabase(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
  if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
}
