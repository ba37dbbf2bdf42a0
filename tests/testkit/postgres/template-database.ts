import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { migrate } from '../../../src/postgres/migrate/migrate.ts';
import { connectClient, urlOfDatabase, withClient } from './client.ts';

/** What the global setup passes to the test workers: the server, and the database to clone. */
export interface TemplateDatabase {
  readonly baseUrl: string;
  readonly template: string;
  readonly runId: number;
}

/** The first key of the advisory lock that a test run holds until it ends. The second key is the run's id. */
const RUN_LOCK = 727_073;
const PREFIX = 'landfall_test_';
const OBJECT_IN_USE = '55006';
const CLONE_ATTEMPTS = 50;

/**
 * Creates a migrated database to which nobody can connect, so that it can be cloned at any time. Drops the
 * databases that killed test runs have left on this server.
 */
export async function createTemplateDatabase(baseUrl: string) {
  const lockHolder = await connectClient(baseUrl);
  const runId = randomInt(1, 2 ** 31);
  await lockHolder.query('SELECT pg_advisory_lock($1, $2)', [RUN_LOCK, runId]);
  await dropAbandonedDatabases(lockHolder);
  const template = `${PREFIX}${runId}_template`;
  await lockHolder.query(`CREATE DATABASE "${template}" TEMPLATE template0`);
  await migrate(urlOfDatabase(baseUrl, template));
  await lockHolder.query(`ALTER DATABASE "${template}" ALLOW_CONNECTIONS false`);
  const { rows } = await lockHolder.query<{ server_version: string }>('SHOW server_version');
  return {
    provided: { baseUrl, template, runId } satisfies TemplateDatabase,
    version: rows[0]?.server_version,
    async drop(): Promise<void> {
      await dropAll(lockHolder, await databasesOf(lockHolder, runId));
      await lockHolder.end();
    },
  };
}

/**
 * Creates a database of the test run.
 *
 * @param source the database to clone; by default the run's template
 * @param findsTables whether the statements of tests find the tables without the name of their schema. The service
 *   must work without that too: it sets its own search path
 */
export async function cloneTemplate(
  { baseUrl, template, runId }: TemplateDatabase,
  source = template,
  findsTables = true,
) {
  const name = `${PREFIX}${runId}_${randomUUID().replaceAll('-', '').slice(0, 16)}`;
  await withClient(baseUrl, async (client) => {
    await retryWhileInUse(() =>
      client.query(`CREATE DATABASE "${name}" TEMPLATE "${source}" STRATEGY file_copy`),
    );
    if (findsTables) {
      await client.query(`ALTER DATABASE "${name}" SET search_path = landfall, public`);
    }
  });
  return {
    url: urlOfDatabase(baseUrl, name),
    drop: () => withClient(baseUrl, (client) => dropAll(client, [name])),
  };
}

/** Autovacuum may connect to the source for a moment. */
async function retryWhileInUse<Result>(work: () => Promise<Result>): Promise<Result> {
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

async function dropAbandonedDatabases(client: pg.Client): Promise<void> {
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
