import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { endProcess } from '../processes/child-process.ts';
import { withClient } from './client.ts';

/** A pgbouncer in transaction mode in front of a database. */
export interface Pgbouncer {
  readonly version: string;
  /** The database's URL through pgbouncer. */
  readonly url: string;
  stop(): Promise<void>;
}

const run = promisify(execFile);
const nobody = 65_534;
const startMs = 20_000;

/** @returns the version, such as `1.18.0`; undefined where pgbouncer is not installed */
async function findPgbouncer(): Promise<string | undefined> {
  const found = await run('pgbouncer', ['--version'], { env: environment() }).catch(
    () => undefined,
  );
  return found && /PgBouncer ([\d.]+)/i.exec(found.stdout)?.[1];
}

/**
 * @param connections the number of its connections to the server
 * @returns undefined where pgbouncer is not installed
 */
export async function startPgbouncer(
  databaseUrl: string,
  connections: number,
): Promise<Pgbouncer | undefined> {
  const version = await findPgbouncer();
  if (version === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'landfall-pgbouncer-'));
  const port = await freePort();
  const own = new URL(databaseUrl);
  await writeFile(join(folder, 'users'), usersOf(own));
  await writeFile(join(folder, 'ini'), settingsOf(own, { folder, port, connections }));
  for (const name of ['.', 'users', 'ini']) await chmod(join(folder, name), 0o755);
  const isRoot = process.getuid?.() === 0;
  const child = spawn('pgbouncer', [join(folder, 'ini')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: environment(),
    // pgbouncer refuses to run as root.
    ...(isRoot && { uid: nobody, gid: nobody }),
  });
  const output: string[] = [];
  child.stderr?.on('data', (chunk) => output.push(String(chunk)));
  const endWithParent = () => child.kill('SIGKILL');
  process.once('exit', endWithParent);
  const stop = async () => {
    process.off('exit', endWithParent);
    await endProcess(child, 'SIGKILL');
    await rm(folder, { recursive: true });
  };
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  url.searchParams.delete('host');
  try {
    await waitUntilReady(url.href, child);
    return { version, url: url.href, stop };
  } catch (error) {
    await stop();
    throw new Error(`pgbouncer did not start:\n${output.join('')}`, { cause: error });
  }
}

/** Debian installs it in /usr/sbin, which is in the PATH of root only. */
const environment = () => ({ ...process.env, PATH: `${process.env.PATH}:/usr/sbin` });

/** The lines of its user file. It logs in at the server with the user's own name and password. */
const usersOf = ({ username, password }: URL) =>
  `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n`;

function settingsOf(
  { hostname, port, searchParams }: URL,
  own: { readonly folder: string; readonly port: number; readonly connections: number },
): string {
  const host = searchParams.get('host') ?? hostname;
  return [
    '[databases]',
    `* = host=${host} port=${port || 5432}`,
    '[pgbouncer]',
    `listen_addr = 127.0.0.1\nlisten_port = ${own.port}\nunix_socket_dir =`,
    `auth_type = trust\nauth_file = ${own.folder}/users`,
    `pool_mode = transaction\ndefault_pool_size = ${own.connections}\nmax_client_conn = 500`,
    // The tests check that the service leaves nothing on a connection, so pgbouncer must not reset it.
    'server_reset_query =\nquery_wait_timeout = 60',
    '',
  ].join('\n');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function waitUntilReady(url: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + startMs;
  for (;;) {
    try {
      await withClient(url, (client) => client.query('SELECT 1'));
      return;
    } catch (error) {
      if (child.exitCode !== null || Date.now() > deadline) throw error;
    }
    await sleep(50);
  }
}
