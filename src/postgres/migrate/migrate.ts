import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { schemaOf } from '../../config/database-url.ts';
import type { StatementSender } from '../client/pipeline.ts';

/** The folder of this service's migrations, whatever the working directory is. */
export const migrationsFolder = fileURLToPath(
  new URL('../../../prisma/migrations', import.meta.url),
);

interface Migration {
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the file, in hexadecimal digits. */
  readonly checksum: string;
}

/** Held by the session that migrates. Other processes wait for it. */
const migrationsLock = 72_707_369;
const connectMs = 10_000;

/**
 * Applies the migrations that the database does not have, in the order of their names: all of them in one transaction,
 * so that a failure leaves nothing. The tables are in the schema of the URL, which is made where it is missing. Where
 * several processes call it at once, one applies the migrations and the others wait.
 *
 * @param connectionString must not lead through a transaction pooler, because the lock belongs to the session
 * @returns the names of the applied migrations
 * @throws Error that says what to do: where the file of an applied migration was changed, where a migration fails, and
 *   where the database was made by a version from before the first release
 */
export async function migrate(
  connectionString: string,
  folder = migrationsFolder,
): Promise<readonly string[]> {
  const migrations = await readMigrations(folder);
  const schema = pg.escapeIdentifier(schemaOf(connectionString));
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: connectMs });
  // An error of the connection rejects the statement under way. The event would end the process without a listener.
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [migrationsLock]);
    await client.query('BEGIN');
    await prepareSchema(client, schema);
    const pending = findPending(migrations, await readApplied(client));
    for (const migration of pending) await apply(client, migration);
    await client.query('COMMIT');
    return pending.map(({ name }) => name);
  } finally {
    // What was not committed is rolled back with the end of the session.
    await client.end();
  }
}

/** The names of this service's migrations. */
export async function migrationNames(folder = migrationsFolder): Promise<readonly string[]> {
  return (await readMigrations(folder)).map(({ name }) => name);
}

/**
 * The names of the migrations that are not in the database. The service can work where none is pending. A database with
 * later migrations has none pending.
 */
export async function pendingMigrations(
  sender: StatementSender,
  names: readonly string[],
): Promise<readonly string[]> {
  const applied = new Set((await readApplied(sender)).map(({ name }) => name));
  return names.filter((name) => !applied.has(name));
}

async function readMigrations(folder: string): Promise<readonly Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(join(folder, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

/** Whether the tables of a version from before the first release are there. */
const formerText = `
SELECT to_regclass('_prisma_migrations') IS NOT NULL AND to_regclass('events') IS NOT NULL
   AND to_regclass('purged_records') IS NOT NULL AS found`;

/** A role that may not make schemas in the database can use one that is there. */
async function prepareSchema(client: pg.Client, schema: string): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>(
    'SELECT to_regnamespace($1) IS NOT NULL AS there',
    [schema],
  );
  if (rows[0]?.there !== true) {
    const former = await client.query<{ found: boolean }>(formerText);
    if (former.rows[0]?.found === true) throw new Error(formerMessage);
    await client.query(`CREATE SCHEMA ${schema}`);
  }
  await client.query(`SET LOCAL search_path = ${schema}, pg_temp`);
  await client.query(`
    CREATE TABLE IF NOT EXISTS migrations (
      name       text COLLATE "C" PRIMARY KEY,
      checksum   text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`);
}

const formerMessage =
  'the database was made by a version from before the first release, whose tables this version cannot read: ' +
  'name an empty database';

async function readApplied(sender: StatementSender): Promise<readonly Omit<Migration, 'sql'>[]> {
  const { rows } = await sender.query<Omit<Migration, 'sql'>>({
    text: 'SELECT name, checksum FROM migrations',
  });
  return rows;
}

function findPending(
  migrations: readonly Migration[],
  applied: readonly Omit<Migration, 'sql'>[],
): readonly Migration[] {
  const checksums = new Map(applied.map(({ name, checksum }) => [name, checksum]));
  for (const { name, checksum } of migrations) {
    const before = checksums.get(name) ?? checksum;
    if (before === checksum) continue;
    throw new Error(
      `the file of migration ${name} was changed after it was applied (SHA-256 ${checksum}, applied ${before}): ` +
        'restore the file, and put what is new into a new migration',
    );
  }
  return migrations.filter(({ name }) => !checksums.has(name));
}

async function apply(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  try {
    await client.query(sql);
    await client.query('INSERT INTO migrations (name, checksum) VALUES ($1, $2)', [name, checksum]);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`migration ${name} failed: ${reason}`, { cause });
  }
}
