import { hasCode } from '../../src/config/start-error.ts';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterLocation } from './location.ts';
import {
  BARE_ENVIRONMENT,
  changeOwner,
  isPostmasterOf,
  readOrUndefined,
  signal,
} from './processes.ts';

/** The contents of postmaster.pid, the file of a running postmaster. */
export type Postmaster = { pid: number; sockets: string; ready: boolean };

/** `exitReason` has what the postmaster wrote to its log. It is undefined until the postmaster has ended. */
export type SpawnedPostmaster = { pid: number | undefined; exitReason(): string | undefined };

const PORT = 5432;
const FAST_SHUTDOWN_MS = 20_000;
const IMMEDIATE_SHUTDOWN_MS = 10_000;

const SETTINGS = {
  listen_addresses: '',
  port: `${PORT}`,
  max_connections: '100',
  // After each checkpoint the first change of a page writes the whole page to the WAL. With this size, checkpoints start
  // by time also under load. docs/operations.md has the figures.
  max_wal_size: '8GB',
  min_wal_size: '2GB',
  // A new file of the WAL is filled with zeros first, by the transaction that needs it and those behind it.
  wal_init_zero: 'off',
  wal_compression: 'pglz',
  // Statements and the details of constraints would show data in the log.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
};

/** Parsers of URLs need an authority, so it is "localhost". `pg` connects to the socket in the parameter `host`. */
export const urlOf = (sockets: string, database: string): string =>
  `postgresql://landfall@localhost:${PORT}/${database}?host=${sockets}&sslmode=disable`;

/** The postmaster that serves the data directory. Removes a postmaster.pid that names another process. */
export function findPostmaster({ data }: ClusterLocation): Postmaster | undefined {
  const path = join(data, 'postmaster.pid');
  const text = readOrUndefined(path);
  const [pid, , , , sockets, , , status] = (text ?? '').split('\n');
  // The postmaster writes the first lines at once, and the others while it starts.
  if (text === undefined || !pid) return undefined;
  if (isPostmasterOf(Number(pid), data)) {
    return { pid: Number(pid), sockets: sockets ?? '', ready: status?.trim() === 'ready' };
  }
  // PostgreSQL compares the number only, which may belong to another process after a restart of the machine or the
  // container. PostgreSQL itself checks in the shared memory that no backend of the earlier postmaster is left.
  removeIfUnchanged(path, text);
  return undefined;
}

/** Starts a postmaster that goes on after this process ends. */
export function spawnPostmaster(location: ClusterLocation, postgres: string): SpawnedPostmaster {
  makeSocketFolder(location);
  const logFile = openSync(location.logFile, 'a', 0o600);
  changeOwner(location.identity, location.logFile);
  const before = statSync(location.logFile).size;
  const settings = { ...SETTINGS, unix_socket_directories: location.sockets };
  const child = spawn(
    postgres,
    [
      '-D',
      location.data,
      ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ],
    {
      ...location.identity,
      cwd: '/',
      env: BARE_ENVIRONMENT,
      // In a session of its own, Ctrl-C at the terminal reaches only this process, which then stops the database.
      detached: true,
      stdio: ['ignore', logFile, logFile],
    },
  );
  closeSync(logFile);
  child.unref();
  let exit: string | undefined;
  child.once('error', (error) => (exit = error.message));
  child.once('exit', (code, name) => (exit = `it ended with ${name ?? code}`));
  const logged = () =>
    Buffer.from(readOrUndefined(location.logFile) ?? '')
      .subarray(before)
      .toString();
  return { pid: child.pid, exitReason: () => exit && `${exit}: ${logged().trim()}` };
}

/** Stops the postmaster and waits for its end. @returns the kind of the shutdown */
export async function stopPostmaster(
  location: ClusterLocation,
  pid: number,
): Promise<'fast' | 'immediate'> {
  if (isPostmasterOf(pid, location.data)) signal(pid, 'SIGINT');
  const ended = await hasEnded(location, pid, FAST_SHUTDOWN_MS);
  if (!ended) {
    signal(pid, 'SIGQUIT');
    await hasEnded(location, pid, IMMEDIATE_SHUTDOWN_MS);
  }
  try {
    rmdirSync(location.sockets);
  } catch {
    // The folder is not empty: another process has started the database again.
  }
  return ended ? 'fast' : 'immediate';
}

/** Stops a postmaster whose data directory was removed: it holds the socket that a new postmaster needs. */
export async function killStalePostmaster(location: ClusterLocation): Promise<void> {
  const lock = readOrUndefined(socketPath(location.sockets, '.lock'));
  const pid = Number(lock?.split('\n')[0]);
  if (!pid || !isPostmasterOf(pid, location.data) || findPostmaster(location)?.pid === pid) return;
  signal(pid, 'SIGQUIT');
  await hasEnded(location, pid, IMMEDIATE_SHUTDOWN_MS);
}

/** Whether a clean-up of /tmp removed the socket: then nothing can connect to this postmaster. */
export const isSocketMissing = (found: Postmaster): boolean =>
  found.ready && !existsSync(socketPath(found.sockets));

const socketPath = (sockets: string, suffix = ''): string =>
  join(sockets, `.s.PGSQL.${PORT}${suffix}`);

async function hasEnded(
  location: ClusterLocation,
  pid: number,
  withinMs: number,
): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  while (isPostmasterOf(pid, location.data)) {
    if (Date.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}

function removeIfUnchanged(path: string, text: string): void {
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
    // The file of a postmaster that started in the meantime is restored.
    if (readFileSync(aside, 'utf8') !== text) linkSync(aside, path);
    rmSync(aside);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'EEXIST')) throw error;
  }
}

/** Refuses a folder that another user created. */
function makeSocketFolder({ sockets, identity }: ClusterLocation): void {
  try {
    mkdirSync(sockets, { mode: 0o700 });
    changeOwner(identity, sockets);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
  const found = lstatSync(sockets);
  if (!found.isDirectory() || found.uid !== (identity?.uid ?? process.getuid?.())) {
    throw new Error(`${sockets} is in the way of the embedded PostgreSQL's socket: remove it.`);
  }
  chmodSync(sockets, 0o700);
}
