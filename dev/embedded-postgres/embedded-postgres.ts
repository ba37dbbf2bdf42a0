import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Binaries, findBinaries } from './binaries.ts';
import { ensureCluster } from './cluster.ts';
import { findClusterLocation, type ClusterLocation } from './location.ts';
import {
  killStalePostmaster,
  findPostmaster,
  hasLostItsSocket,
  type SpawnedPostmaster,
  spawnPostmaster,
  stopPostmaster,
  urlOf,
} from './postmaster.ts';
import { hasCode } from './processes.ts';
import { isInUse, releaseLease, type Lease, takeLease } from './leases.ts';

export type EmbeddedLog = { info(fields: object, message: string): void };

export type EmbeddedPostgres = {
  /** A connection string for `pg`; user and database are named landfall. */
  url: string;
  /** Stops the database, unless another process uses it. May be called more than once. */
  stop(): Promise<void>;
};

type Running = { pid: number; sockets: string };

const START_MS = 120_000;
const POLL_MS = 25;
const NO_SUCH_DATABASE = '3D000';

/**
 * What a start can meet while an earlier postmaster, its orphans or the process that stopped it are
 * still on their way out: the last of them removes the socket's folder.
 */
const PASSING =
  /pre-existing shared memory block|lock file "[^"]+" already exists|could not create lock file/;

/**
 * Starts the embedded PostgreSQL of `dataDir`, or attaches to it where it runs already. It outlives
 * this process if this process is killed; the next start adopts it then. Throws an Error that tells
 * what to do where the platform has no programs for it or where it does not start.
 */
export async function startEmbedded(options: {
  dataDir: string;
  log: EmbeddedLog;
}): Promise<EmbeddedPostgres> {
  const place = await findClusterLocation(options.dataDir);
  const binaries = await findBinaries(place.identity);
  const seat = takeLease(place);
  try {
    if (await ensureCluster(place, binaries)) {
      options.log.info({ event: 'embedded.created' }, 'made a new embedded PostgreSQL database');
    }
    const running = await startOrAttach(place, binaries, options.log);
    let stopping: Promise<void> | undefined;
    return {
      url: urlOf(running.sockets, 'landfall'),
      stop: () => (stopping ??= leave(place, seat, running, options.log)),
    };
  } catch (error) {
    releaseLease(place, seat);
    throw error;
  }
}

/** Stops what a killed process left running; true where no living process uses the database. */
export async function stopOrphan(dataDir: string): Promise<boolean> {
  const place = await findClusterLocation(dataDir);
  if (isInUse(place)) return false;
  const found = findPostmaster(place);
  if (found) await stopPostmaster(place, found.pid);
  return true;
}

async function startOrAttach(
  place: ClusterLocation,
  binaries: Binaries,
  log: EmbeddedLog,
): Promise<Running> {
  const deadline = Date.now() + START_MS;
  let own: SpawnedPostmaster | undefined;
  let obstacle: string | undefined;
  await killStalePostmaster(place);
  do {
    const found = findPostmaster(place);
    if (found) {
      // Without a folder for the socket an address would mean TCP, and perhaps another server.
      obstacle = found.sockets ? await whyUnreachable(found.sockets) : 'it has no socket yet';
      if (!obstacle) {
        const event = found.pid === own?.pid ? 'embedded.started' : 'embedded.attached';
        log.info({ event, pid: found.pid }, 'embedded PostgreSQL is up');
        return found;
      }
      if (hasLostItsSocket(found)) await stopPostmaster(place, found.pid);
    } else if (!own || own.exitReason()) {
      obstacle = own?.exitReason();
      if (own && !PASSING.test(obstacle ?? '')) break;
      own = spawnPostmaster(place, binaries.postgres);
    }
    await sleep(POLL_MS);
  } while (Date.now() < deadline);
  throw new Error(`The embedded PostgreSQL does not start (log: ${place.logFile}): ${obstacle}`);
}

async function leave(
  place: ClusterLocation,
  seat: Lease,
  running: Running,
  log: EmbeddedLog,
): Promise<void> {
  if (!releaseLease(place, seat)) {
    log.info({ event: 'embedded.left' }, 'another process uses the embedded PostgreSQL: it stays');
    return;
  }
  // Its postmaster.pid is gone where somebody removed the data directory meanwhile.
  const pid = findPostmaster(place)?.pid ?? running.pid;
  const mode = await stopPostmaster(place, pid);
  log.info({ event: 'embedded.stopped', pid, mode }, 'embedded PostgreSQL stopped');
}

/** Undefined where the database answers, else why it does not. Makes the database landfall where it is not there yet. */
async function whyUnreachable(sockets: string): Promise<string | undefined> {
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
    // Where another process makes it at the same time, the next look finds it.
    return String(error);
  }
}

async function withClient(url: string, use: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  // A connection that breaks fails what waits for it; unheard, the event would end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    await use(client);
  } finally {
    await client.end().catch(() => {});
  }
}
