import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { withClient } from './template.ts';

/** pgbouncer in transaction mode before a database. */
export interface Pgbouncer {
  readonly version: string;
  /** The database's URL by way of it. */
  readonly url: string;
  stop(): Promise<void>;
}

const run = promisify(execFile);
const nobody = 65_534;
const startMs = 20_000;

/** Such as `1.18.0`; undefined where this machine has none. */
export async function findPgbouncer(): Promise<string | undefined> {
  const found = await run('pgbouncer', ['--version'], { env: environment() }).catch(
    () => undefined,
  );
  return found && /PgBouncer ([\d.]+)/i.exec(found.stdout)?.[1];
}

/** @param connections that it opens to the server, however many clients it has */
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
    // It refuses to run as root.
    ...(isRoot && { uid: nobody, gid: nobody }),
  });
  const output: string[] = [];
  child.stderr?.on('data', (chunk) => output.push(String(chunk)));
  const endWithParent = () => child.kill('SIGKILL');
  process.once('exit', endWithParent);
  const stop = async () => {
    process.off('exit', endWithParent);
    await end(child);
    await rm(folder, { recursive: true });
  };
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  url.searchParams.delete('host');
  try {
    await untilItAnswers(url.href, child);
    return { version, url: url.href, stop };
  } catch (error) {
    await stop();
    throw new Error(`pgbouncer did not start:\n${output.join('')}`, { cause: error });
  }
}

/** Debian keeps it where only root's path leads. */
const environment = () => ({ ...process.env, PATH: `${process.env.PATH}:/usr/sbin` });

/** As it knows its users, so that each comes to the server as who he is. */
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
    // Nothing cleans a server connection up for us: that is the point.
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

async function untilItAnswers(url: string, child: ChildProcess): Promise<void> {
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

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
