import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { migrate } from '../../src/postgres/migrate/migrate.ts';

/** What a test run gives its workers. */
export type Template = { baseUrl: string; template: string; runId: number };

/** First key of the advisory lock that a test run holds as long as it lives; the second is its id. */
const RUN_LOCK = 727_073;
const PREFIX = 'landfall_test_';
const OBJECT_IN_USE = '55006';
const CLONE_ATTEMPTS = 50;

/**
 * Makes a migrated database that nobody can connect to, so that it can be cloned at any time, and
 * drops what runs that were killed left on this server.
 */
export async function createTemplate(baseUrl: string) {
  const keeper = await connect(baseUrl);
  const runId = randomInt(1, 2 ** 31);
  await keeper.query('SELECT pg_advisory_lock($1, $2)', [RUN_LOCK, runId]);
  await sweep(keeper);
  const template = `${PREFIX}${runId}_template`;
  await keeper.query(`CREATE DATABASE "${template}" TEMPLATE template0`);
  await migrate(withDatabase(baseUrl, template));
  await keeper.query(`ALTER DATABASE "${template}" ALLOW_CONNECTIONS false`);
  const { rows } = await keeper.query<{ server_version: string }>('SHOW server_version');
  return {
    provided: { baseUrl, template, runId } satisfies Template,
    version: rows[0]?.server_version,
    async drop(): Promise<void> {
      await dropAll(keeper, await databasesOf(keeper, runId));
      await keeper.end();
    },
  };
}

/** A new database of a run: a copy of its template, or of another. */
export async function cloneTemplate({ baseUrl, template, runId }: Template, source = template) {
  const name = `${PREFIX}${runId}_${randomUUID().replaceAll('-', '').slice(0, 16)}`;
  await withClient(baseUrl, (client) =>
    retryWhileInUse(() =>
      client.query(`CREATE DATABASE "${name}" TEMPLATE "${source}" STRATEGY file_copy`),
    ),
  );
  return {
    url: withDatabase(baseUrl, name),
    drop: () => withClient(baseUrl, (client) => dropAll(client, [name])),
  };
}

export function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

export async function withClient<T>(
  url: string,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connect(url);
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  // A test may end the server under it.
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Autovacuum may look into the template for a moment. */
async function retryWhileInUse<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const inUse = error instanceof pg.DatabaseError && error.code === OBJECT_IN_USE;
      if (!inUse || attempt === CLONE_ATTEMPTS) throw error;
      await sleep(100);
    }
  }
}

async function sweep(client: pg.Client): Promise<void> {
  const runs = new Set((await databasesOf(client)).map((name) => Number(name.split('_')[2])));
  for (const run of runs) {
    const { rows } = await client.query<{ free: boolean }>(
      'SELECT pg_try_advisory_lock($1, $2) AS free',
      [RUN_LOCK, run],
    );
    if (!rows[0]?.free) continue;
    await dropAll(client, await databasesOf(client, run));
    await client.query('SELECT pg_advisory_unlock($1, $2)', [RUN_LOCK, run]);
  }
}

async function databasesOf(client: pg.Client, runId?: number): Promise<string[]> {
  const { rows } = await client.query<{ datname: string }>(
    'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
    [runId === undefined ? PREFIX : `${PREFIX}${runId}_`],
  );
  return rows.map((row) => row.datname);
}

async function dropAll(client: pg.Client, names: string[]): Promise<void> {
  for (const name of names) await client.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
}
