import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { StatementSender } from '../client/pipeline.ts';

/** The folder of this service's migrations, whatever the working directory is. */
export const MIGRATIONS = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));

type Migration = { name: string; sql: string; checksum: string };
type Row = { migration_name: string; checksum: string; finished: boolean };

/** The advisory lock of Prisma's command line. It and this service never migrate at the same time. */
const LOCK = 72_707_369;

const CONNECT_MS = 10_000;
const UNDEFINED_TABLE = '42P01';

const CREATE_TABLE = `
  CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                  VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum            VARCHAR(64) NOT NULL,
    finished_at         TIMESTAMPTZ,
    migration_name      VARCHAR(255) NOT NULL,
    logs                TEXT,
    rolled_back_at      TIMESTAMPTZ,
    started_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
  )`;

/**
 * Applies the migrations that the database does not have, in the order of their names. It writes the same rows into
 * `_prisma_migrations` as Prisma's command line, so that either can apply the next migration. Where several processes
 * call it at once, one applies the migrations and the others wait.
 *
 * @param connection must not lead through a transaction pooler, because the lock belongs to the session
 * @returns the names of the applied migrations
 * @throws Error that says what to do: where an earlier migration did not end, where the file of an applied migration
 *   was changed, and where a migration fails. A migration that fails leaves no changes
 */
export async function migrate(
  connection: string | pg.ClientConfig,
  directory = MIGRATIONS,
): Promise<string[]> {
  const migrations = await readMigrations(directory);
  const config = typeof connection === 'string' ? { connectionString: connection } : connection;
  const client = new pg.Client({ connectionTimeoutMillis: CONNECT_MS, ...config });
  // An error of the connection rejects the statement under way. The event would end the process without a listener.
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    await client.query(CREATE_TABLE);
    const pending = findPending(migrations, await readRows(client));
    for (const migration of pending) await apply(client, migration);
    return pending.map(({ name }) => name);
  } finally {
    await client.end();
  }
}

/** The names of this service's migrations. */
export async function migrationNames(directory = MIGRATIONS): Promise<string[]> {
  return (await readMigrations(directory)).map(({ name }) => name);
}

/**
 * The names of the migrations that are not finished in the database, read with one statement. The service can work
 * where none is pending. A database with later migrations has none pending.
 */
export async function pendingMigrations(
  database: StatementSender,
  names: readonly string[],
): Promise<string[]> {
  const rows = await readRows(database).catch((error: unknown) => {
    if (error instanceof pg.DatabaseError && error.code === UNDEFINED_TABLE) return [];
    throw error;
  });
  const finished = new Set(rows.filter((row) => row.finished).map((row) => row.migration_name));
  return names.filter((name) => !finished.has(name));
}

async function readMigrations(directory: string): Promise<Migration[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(join(directory, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

async function readRows(database: StatementSender): Promise<Row[]> {
  const { rows } = await database.query<Row>({
    text: `SELECT migration_name, checksum, finished_at IS NOT NULL AS finished
       FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY started_at`,
  });
  return rows;
}

function findPending(migrations: Migration[], rows: Row[]): Migration[] {
  const unfinished = rows.find((row) => !row.finished);
  if (unfinished) throw new Error(unfinishedMessage(unfinished.migration_name));
  const applied = new Map(rows.map((row) => [row.migration_name, row.checksum]));
  for (const { name, checksum } of migrations) {
    if ((applied.get(name) ?? checksum) === checksum) continue;
    throw new Error(
      `The file of migration ${name} was changed after it was applied (SHA-256 ${checksum}, ` +
        `applied ${applied.get(name)}). Restore the file; put what is new into a new migration.`,
    );
  }
  return migrations.filter(({ name }) => !applied.has(name));
}

const unfinishedMessage = (name: string): string =>
  `Migration ${name} was begun and did not end: look into column "logs" of _prisma_migrations and ` +
  'undo by hand what it did, if anything. Then mark it with `prisma migrate resolve --rolled-back` ' +
  `or: UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '${name}' ` +
  'AND finished_at IS NULL.';

/**
 * The migration and its row are one transaction, so a process that is killed leaves nothing unfinished. PostgreSQL
 * allows CONCURRENTLY in no transaction: the row of such a migration is written first, as Prisma does. If it does not
 * end, a person has to look at what it did.
 */
async function apply(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  const id = randomUUID();
  const atomic = !/\bCONCURRENTLY\b/i.test(sql);
  try {
    if (atomic) await client.query('BEGIN');
    await client.query(
      'INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ($1, $2, $3)',
      [id, checksum, name],
    );
    await client.query(sql);
    await client.query(
      'UPDATE _prisma_migrations SET finished_at = clock_timestamp(), applied_steps_count = 1 WHERE id = $1',
      [id],
    );
    if (atomic) await client.query('COMMIT');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const note = atomic
      ? client.query('ROLLBACK')
      : client.query('UPDATE _prisma_migrations SET logs = $2 WHERE id = $1', [id, reason]);
    // On a broken connection this fails too. The cause says what happened.
    await note.catch(() => {});
    throw new Error(`Migration ${name} failed: ${reason}`, { cause });
  }
}
