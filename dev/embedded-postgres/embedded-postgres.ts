import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Binaries, findBinaries } from './binaries.ts';
import { ensureCluster } from './cluster.ts';
import { isInUse, type Lease, releaseLease, takeLease } from './leases.ts';
import { type ClusterLocation, findClusterLocation } from './location.ts';
import {
  findPostmaster,
  isSocketMissing,
  killStalePostmaster,
  type SpawnedPostmaster,
  spawnPostmaster,
  stopPostmaster,
  urlOf,
} from './postmaster.ts';
import { hasCode } from '../../src/config/start-error.ts';

export type EmbeddedLog = { info(fields: object, message: string): void };

export type EmbeddedPostgres = {
  /** A connection string for `pg`. The user and the database are named landfall. */
  url: string;
  /** Stops the database, unless another process uses it. Later calls do nothing more. */
  stop(): Promise<void>;
};

type Running = { pid: number; sockets: string };

const START_MS = 120_000;
const POLL_MS = 25;
const NO_SUCH_DATABASE = '3D000';

/**
 * Errors that end by themselves: an earlier postmaster, its backends or the process that stopped it have not ended
 * yet. The last of them removes the folder of the socket.
 */
const TEMPORARY_ERROR =
  /pre-existing shared memory block|lock file "[^"]+" already exists|could not create lock file/;

/**
 * Starts the embedded PostgreSQL of `dataDir`, or attaches to it where it runs already. PostgreSQL goes on if this
 * process is killed, and the next start attaches to it.
 *
 * @throws Error that says what to do: where the platform has no PostgreSQL, or where PostgreSQL does not start
 */
export async function startEmbedded(options: {
  dataDir: string;
  log: EmbeddedLog;
}): Promise<EmbeddedPostgres> {
  const location = await findClusterLocation(options.dataDir);
  const binaries = await findBinaries(location.identity);
  const lease = takeLease(location);
  try {
    if (await ensureCluster(location, binaries)) {
      options.log.info({ event: 'embedded.created' }, 'made a new embedded PostgreSQL database');
    }
    const running = await startOrAttach(location, binaries, options.log);
    let stopping: Promise<void> | undefined;
    return {
      url: urlOf(running.sockets, 'landfall'),
      stop: () => (stopping ??= stopIfUnused(location, lease, running, options.log)),
    };
  } catch (error) {
    releaseLease(location, lease);
    throw error;
  }
}

/** Stops a PostgreSQL that no living process uses. @returns false where a living process uses it */
export async function stopOrphan(dataDir: string): Promise<boolean> {
  const location = await findClusterLocation(dataDir);
  if (isInUse(location)) return false;
  const found = findPostmaster(location);
  if (found) await stopPostmaster(location, found.pid);
  return true;
}

async function startOrAttach(
  location: ClusterLocation,
  binaries: Binaries,
  log: EmbeddedLog,
): Promise<Running> {
  const deadline = Date.now() + START_MS;
  let own: SpawnedPostmaster | undefined;
  let problem: string | undefined;
  await killStalePostmaster(location);
  do {
    const found = findPostmaster(location);
    if (found) {
      // Without the folder of a socket a connection would use TCP, and might reach another server.
      problem = found.sockets ? await findConnectProblem(found.sockets) : 'it has no socket yet';
      if (!problem) {
        const event = found.pid === own?.pid ? 'embedded.started' : 'embedded.attached';
        log.info({ event, pid: found.pid }, 'embedded PostgreSQL is up');
        return found;
      }
      if (isSocketMissing(found)) await stopPostmaster(location, found.pid);
    } else if (!own || own.exitReason()) {
      problem = own?.exitReason();
      if (own && !TEMPORARY_ERROR.test(problem ?? '')) break;
      own = spawnPostmaster(location, binaries.postgres);
    }
    await sleep(POLL_MS);
  } while (Date.now() < deadline);
  throw new Error(`The embedded PostgreSQL does not start (log: ${location.logFile}): ${problem}`);
}

async function stopIfUnused(
  location: ClusterLocation,
  lease: Lease,
  running: Running,
  log: EmbeddedLog,
): Promise<void> {
  if (!releaseLease(location, lease)) {
    log.info({ event: 'embedded.left' }, 'another process uses the embedded PostgreSQL: it stays');
    return;
  }
  // The file postmaster.pid is missing where a person removed the data directory in the meantime.
  const pid = findPostmaster(location)?.pid ?? running.pid;
  const mode = await stopPostmaster(location, pid);
  log.info({ event: 'embedded.stopped', pid, mode }, 'embedded PostgreSQL stopped');
}

/**
 * Connects to the database landfall, and creates it where it does not exist.
 *
 * @returns the reason why that failed; undefined where it did not
 */
async function findConnectProblem(sockets: string): Promise<string | undefined> {
  try {
    await withClient(urlOf(sockets, 'landfall'), async () => {});
    return undefined;
  } catch (error) {
    if (!hasCode(error, NO_SUCH_DATABASE)) return String(error);
  }
  try {
    await withClient(urlOf(sockets, 'postgres'), async (client) => {
      await client.query('CREATE DATABASE landfall');
    });
    return undefined;
  } catch (error) {
    // Another process may have created it at the same time. The next attempt connects then.
    return String(error);
  }
}

async function withClient(url: string, use: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  // An error of the connection rejects the query under way. The event would end the process without a listener.
  client.on('error', () => {});
  try {
    await client.connect();
    await use(client);
  } finally {
    await client.end().catch(() => {});
  }
}
