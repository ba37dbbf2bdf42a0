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
  hasCode,
  isPostmasterOf,
  readOrUndefined,
  signal,
} from './processes.ts';

/** What a running postmaster says of itself in postmaster.pid. */
export type Postmaster = { pid: number; sockets: string; ready: boolean };

/** `lastWords` gives what it wrote to its log, once it has ended. */
export type SpawnedPostmaster = { pid: number | undefined; exitReason(): string | undefined };

const PORT = 5432;
const FAST_SHUTDOWN_MS = 20_000;
const IMMEDIATE_SHUTDOWN_MS = 10_000;

const SETTINGS = {
  listen_addresses: '',
  port: `${PORT}`,
  max_connections: '100',
  // A statement in the log would show what it writes; so would a constraint's detail.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
};

/** Authority "localhost" only for parsers that want one: `host` is what counts. */
export const urlOf = (sockets: string, database: string): string =>
  `postgresql://landfall@localhost:${PORT}/${database}?host=${sockets}&sslmode=disable`;

/** The postmaster that serves `data`. Clears away a postmaster.pid that names another process. */
export function findPostmaster({ data }: ClusterLocation): Postmaster | undefined {
  const path = join(data, 'postmaster.pid');
  const text = readOrUndefined(path);
  const [pid, , , , sockets, , , status] = (text ?? '').split('\n');
  // The first lines are written at once, the rest as the postmaster gets on.
  if (text === undefined || !pid) return undefined;
  if (isPostmasterOf(Number(pid), data)) {
    return { pid: Number(pid), sockets: sockets ?? '', ready: status?.trim() === 'ready' };
  }
  // PostgreSQL itself goes by the number alone, and after a restart of the machine or the container
  // it may be anyone's. That no process of the old one lives it checks in the shared memory too.
  removeIfStill(path, text);
  return undefined;
}

/** Starts a postmaster that outlives this process. */
export function spawnPostmaster(place: ClusterLocation, postgres: string): SpawnedPostmaster {
  makeSocketFolder(place);
  const logFile = openSync(place.logFile, 'a', 0o600);
  changeOwner(place.identity, place.logFile);
  const before = statSync(place.logFile).size;
  const settings = { ...SETTINGS, unix_socket_directories: place.sockets };
  const child = spawn(
    postgres,
    [
      '-D',
      place.data,
      ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ],
    {
      ...place.identity,
      cwd: '/',
      env: BARE_ENVIRONMENT,
      // An own session: Ctrl-C at the terminal is for this process, which then stops the database.
      detached: true,
      stdio: ['ignore', logFile, logFile],
    },
  );
  closeSync(logFile);
  child.unref();
  let ending: string | undefined;
  child.once('error', (error) => (ending = error.message));
  child.once('exit', (code, name) => (ending = `it ended with ${name ?? code}`));
  const words = () =>
    Buffer.from(readOrUndefined(place.logFile) ?? '')
      .subarray(before)
      .toString();
  return { pid: child.pid, exitReason: () => ending && `${ending}: ${words().trim()}` };
}

/** Ends the postmaster and waits until it has; says which way it took. */
export async function stopPostmaster(
  place: ClusterLocation,
  pid: number,
): Promise<'fast' | 'immediate'> {
  if (isPostmasterOf(pid, place.data)) signal(pid, 'SIGINT');
  const ended = await hasEnded(place, pid, FAST_SHUTDOWN_MS);
  if (!ended) {
    signal(pid, 'SIGQUIT');
    await hasEnded(place, pid, IMMEDIATE_SHUTDOWN_MS);
  }
  try {
    rmdirSync(place.sockets);
  } catch {
    // Not empty: another process started the database anew.
  }
  return ended ? 'fast' : 'immediate';
}

/**
 * Ends a postmaster whose data directory was removed under it: it holds the socket of the one that
 * is to come.
 */
export async function killStalePostmaster(place: ClusterLocation): Promise<void> {
  const lock = readOrUndefined(socketPath(place.sockets, '.lock'));
  const pid = Number(lock?.split('\n')[0]);
  if (!pid || !isPostmasterOf(pid, place.data) || findPostmaster(place)?.pid === pid) return;
  signal(pid, 'SIGQUIT');
  await hasEnded(place, pid, IMMEDIATE_SHUTDOWN_MS);
}

/** A sweeper of /tmp took the socket: nobody can reach this postmaster any more. */
export const hasLostItsSocket = (found: Postmaster): boolean =>
  found.ready && !existsSync(socketPath(found.sockets));

const socketPath = (sockets: string, suffix = ''): string =>
  join(sockets, `.s.PGSQL.${PORT}${suffix}`);

async function hasEnded(place: ClusterLocation, pid: number, withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  while (isPostmasterOf(pid, place.data)) {
    if (Date.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}

function removeIfStill(path: string, text: string): void {
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
    // A postmaster that started meanwhile gets its file back.
    if (readFileSync(aside, 'utf8') !== text) linkSync(aside, path);
    rmSync(aside);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'EEXIST')) throw error;
  }
}

/** Refuses a folder that another user put there. */
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
