import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isPostmasterOf } from '../../dev/embedded-postgres/processes.ts';
import { startEmbedded, stopOrphan } from '../../dev/embedded-postgres/embedded-postgres.ts';
import { createPrisma } from '../../src/postgres/audit/prisma.ts';
import { createPool } from '../../src/postgres/client/pool.ts';
import { migrate } from '../../src/postgres/migrate/migrate.ts';
import { removeDataDir } from '../testkit/postgres/data-dir.ts';
import { withClient } from '../testkit/postgres/client.ts';

const isRoot = process.getuid?.() === 0;
const PROGRAM = fileURLToPath(
  new URL('../testkit/postgres/embedded-postgres-program.ts', import.meta.url),
);

let root: string;
let dataDir: string;
let events: string[];
let children: ChildProcess[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'landfall-embedded-'));
  // Under root the database runs as the user nobody, who has to enter this folder.
  await chmod(root, 0o755);
  dataDir = join(root, '.data');
  events = [];
  children = [];
});

afterEach(async () => {
  for (const child of children) await kill(child);
  await stopOrphan(dataDir);
  await removeDataDir(dataDir);
  await rm(root, { recursive: true });
});

const start = (from = dataDir) =>
  startEmbedded({
    dataDir: from,
    log: { info: (fields) => void events.push((fields as { event: string }).event) },
  });

/** Another process on the same database, in a process group of its own. */
function startOther() {
  const child = spawn(process.execPath, [PROGRAM, dataDir], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  children.push(child);
  const seen: { event: string; url?: string; pid?: number }[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => void seen.push(JSON.parse(line) as (typeof seen)[0]));
  const ready = async () => {
    while (!seen.some(({ event }) => event === 'ready')) {
      if (child.exitCode !== null) throw new Error('the other process ended before it was ready');
      await sleep(5);
    }
    return seen.find(({ event }) => event === 'ready')?.url ?? '';
  };
  const stop = async (signal: NodeJS.Signals) => {
    const closed = once(child, 'close');
    process.kill(-(child.pid ?? 0), signal);
    await closed;
  };
  return { child, seen, ready, stop };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

const write = (url: string) => run(url, 'CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)');
const read = async (url: string) => (await run(url, 'SELECT id FROM kept')).rows;
const run = (url: string, sql: string) => withClient(url, (client) => client.query(sql));

const postmasterPid = async () =>
  Number((await readFile(join(dataDir, 'pg/postmaster.pid'), 'utf8')).split('\n')[0]);

test('a first start creates a database that pg, the migrator and Prisma connect to with the same URL', async () => {
  const embedded = await start();
  await migrate(embedded.url);
  // The database stops while the connection may not have ended yet: that is no error.
  const pool = createPool({ connectionString: embedded.url, max: 2, onIdleError: () => {} });
  const prisma = createPrisma(pool);
  expect(await prisma.instance.count()).toBe(1);
  expect((await pool.query('SELECT current_user, current_database()')).rows).toEqual([
    { current_user: 'landfall', current_database: 'landfall' },
  ]);
  await prisma.$disconnect();
  await pool.end();
  await embedded.stop();
  expect(events).toEqual(['embedded.created', 'embedded.started', 'embedded.stopped']);
});

test('the database is durable, has room for its WAL, uses UTC and UTF-8, and listens on a private socket only', async () => {
  const embedded = await start();
  const { rows } = await run(
    embedded.url,
    `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit',
       'full_page_writes', 'listen_addresses', 'max_connections', 'server_encoding', 'TimeZone',
       'max_wal_size', 'min_wal_size', 'wal_init_zero', 'wal_compression')`,
  );
  expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
    TimeZone: 'UTC',
    fsync: 'on',
    full_page_writes: 'on',
    listen_addresses: '',
    max_connections: '100',
    max_wal_size: '8192',
    min_wal_size: '2048',
    server_encoding: 'UTF8',
    synchronous_commit: 'on',
    wal_compression: 'pglz',
    wal_init_zero: 'off',
  });
  const sockets = new URL(embedded.url).searchParams.get('host') ?? '';
  const folder = await stat(sockets);
  expect(folder.mode & 0o777).toBe(0o700);
  expect(folder.uid).toBe((await stat(join(dataDir, 'pg'))).uid);
  expect(Buffer.byteLength(`${sockets}/.s.PGSQL.5432`)).toBeLessThan(100);
  await embedded.stop();
});

test('data is still there after a restart, at the same URL', async () => {
  const first = await start();
  await write(first.url);
  await first.stop();
  const second = await start();
  expect(second.url).toBe(first.url);
  expect(await read(second.url)).toEqual([{ id: 1 }]);
  await second.stop();
});

test('after a kill -9 of the process that started the database, the next start attaches to it, and stops it', async () => {
  const other = startOther();
  await write(await other.ready());
  await other.stop('SIGKILL');
  const pid = await postmasterPid();
  const embedded = await start();
  expect(await read(embedded.url)).toEqual([{ id: 1 }]);
  expect(await postmasterPid()).toBe(pid);
  await embedded.stop();
  expect(isPostmasterOf(pid, join(dataDir, 'pg'))).toBe(false);
  expect(events).toEqual(['embedded.attached', 'embedded.stopped']);
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s to the whole process group stops the database with a fast shutdown',
  async (signal) => {
    const other = startOther();
    await other.ready();
    await other.stop(signal);
    expect(other.child.exitCode).toBe(0);
    expect(other.seen.at(-1)).toMatchObject({ event: 'embedded.stopped', mode: 'fast' });
    expect(await readdir(join(dataDir, 'pg'))).not.toContain('postmaster.pid');
  },
);

test('a process that attached does not stop a database that another process uses', async () => {
  const other = startOther();
  const url = await other.ready();
  const embedded = await start();
  expect(embedded.url).toBe(url);
  await embedded.stop();
  expect(events).toEqual(['embedded.attached', 'embedded.left']);
  await write(url);
});

test('the last process that stops using the database stops it, whichever process started it', async () => {
  const other = startOther();
  const url = await other.ready();
  const embedded = await start();
  await other.stop('SIGTERM');
  expect(other.seen.at(-1)).toMatchObject({ event: 'embedded.left' });
  await write(url);
  await embedded.stop();
  await embedded.stop();
  expect(events).toEqual(['embedded.attached', 'embedded.stopped']);
});

test('after a kill -9 of the postmaster under load, the next start recovers the committed data', async () => {
  const first = await start();
  await write(first.url);
  // This backend does not notice the end of its postmaster, and holds the shared memory after it.
  const busy = run(first.url, 'SELECT sum(sqrt(i)) FROM generate_series(1, 10000000) AS i').catch(
    () => 'interrupted',
  );
  const others = `SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT sum%' AND state = 'active'`;
  while ((await run(first.url, others)).rowCount === 0) await sleep(5);
  process.kill(await postmasterPid(), 'SIGKILL');
  const second = await start();
  expect(await read(second.url)).toEqual([{ id: 1 }]);
  await busy;
  await second.stop();
  await first.stop();
  expect(events.filter((event) => event === 'embedded.started')).toHaveLength(2);
});

test('an initdb that was interrupted is run again', async () => {
  const other = startOther();
  const isUnderWay = async () => {
    const names = await readdir(dataDir).catch(() => []);
    const staging = names.find((name) => name.startsWith('pg.init-'));
    return staging !== undefined && (await readdir(join(dataDir, staging))).length > 0;
  };
  while (!(await isUnderWay())) await sleep(1);
  await other.stop('SIGKILL');
  expect(await readdir(dataDir)).not.toContain('pg');
  const embedded = await start();
  await write(embedded.url);
  expect((await readdir(dataDir)).sort()).toEqual(['pg', 'pg.leases', 'postgres.log']);
  await embedded.stop();
});

test('processes that start at the same time share one database', async () => {
  const others = [startOther(), startOther(), startOther()];
  const urls = await Promise.all(others.map((other) => other.ready()));
  expect(new Set(urls).size).toBe(1);
  await write(urls[0] ?? '');
  const started = others.flatMap(({ seen }) => seen).filter(({ pid }) => pid !== undefined);
  expect(new Set(started.map(({ pid }) => pid)).size).toBe(1);
  expect(started.filter(({ event }) => event === 'embedded.started')).toHaveLength(1);
  for (const other of others) await other.stop('SIGTERM');
  const embedded = await start();
  expect(await read(embedded.url)).toEqual([{ id: 1 }]);
  expect((await readdir(dataDir)).sort()).toEqual(['pg', 'pg.leases', 'postgres.log']);
  await embedded.stop();
});

test('a postmaster.pid with the number of another process does not prevent a start', async () => {
  const first = await start();
  await write(first.url);
  const pid = await postmasterPid();
  const text = await readFile(join(dataDir, 'pg/postmaster.pid'), 'utf8');
  await first.stop();
  await writeFile(join(dataDir, 'pg/postmaster.pid'), text.replace(`${pid}`, `${process.pid}`));
  const second = await start();
  expect(await read(second.url)).toEqual([{ id: 1 }]);
  await second.stop();
});

test('a start after the data folder of a running database was removed creates a new database', async () => {
  const other = startOther();
  await write(await other.ready());
  const pid = await postmasterPid();
  await other.stop('SIGKILL');
  await rm(dataDir, { recursive: true });
  const embedded = await start();
  await write(embedded.url);
  expect(await postmasterPid()).not.toBe(pid);
  await embedded.stop();
});

test('a folder with other files is not overwritten', async () => {
  await mkdir(join(dataDir, 'pg'), { recursive: true });
  await writeFile(join(dataDir, 'pg/letter.txt'), 'dear');
  await expect(start()).rejects.toThrow(/no whole PostgreSQL database.*DATABASE_URL/);
  expect(await readdir(join(dataDir, 'pg'))).toEqual(['letter.txt']);
});

test('in a folder that other users cannot enter, the database runs as a user who can reach its files', async () => {
  await chmod(root, 0o700);
  const first = await start();
  await write(first.url);
  const { uid } = await stat(join(dataDir, 'pg'));
  // Root's database runs as the user nobody, in a folder that nobody can enter. Another user's runs as that user.
  expect(uid).toBe(isRoot ? 65534 : process.getuid?.());
  expect(dirname(await realpath(join(dataDir, 'pg')))).toMatch(
    isRoot ? /^\/var\/lib\/landfall\/[0-9a-f]{12}-/ : await realpath(dataDir),
  );
  await first.stop();
  const second = await start();
  expect(await read(second.url)).toEqual([{ id: 1 }]);
  await second.stop();
});
