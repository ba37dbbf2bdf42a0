import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { StatementSender } from '../client/pipeline.ts';

/** Where this copy of the service has its migrations, whatever the working directory. */
export const MIGRATIONS = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));

type Migration = { name: string; sql: string; checksum: string };
type Row = { migration_name: string; checksum: string; finished: boolean };

/** Prisma's own advisory lock: its command line and this service keep out of each other's way. */
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
 * Applies what prisma/migrations holds and the database does not, in the order of the names, and
 * returns the names applied. Keeps Prisma's own books, so that Prisma's command line can go on from
 * here and the other way round. Several processes may do it at once: one works, the others wait.
 *
 * Wants a direct connection: the lock is the session's, which a transaction pooler does not keep.
 * Throws an Error that tells what to do where an earlier migration did not end or where the file of
 * an applied one was changed; a migration that fails leaves nothing of itself.
 */
export async function migrate(
  connection: string | pg.ClientConfig,
  directory = MIGRATIONS,
): Promise<string[]> {
  const migrations = await readMigrations(directory);
  const config = typeof connection === 'string' ? { connectionString: connection } : connection;
  const client = new pg.Client({ connectionTimeoutMillis: CONNECT_MS, ...config });
  // A connection that breaks fails the statement under way; unheard, the event would end the process.
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

/** The names of the migrations that this copy of the service holds. */
export async function migrationNames(directory = MIGRATIONS): Promise<string[]> {
  return (await readMigrations(directory)).map(({ name }) => name);
}

/**
 * Those of the names that the database has not finished: none where the service can work. A database
 * that is ahead has none pending. One statement.
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
 * Row and file are one transaction: a process that is killed leaves nothing unfinished. Only a file
 * with a CONCURRENTLY, which PostgreSQL takes in no transaction, has its row written before, as
 * Prisma does: if it ends half-way, somebody has to look.
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
    // Without a connection there is nothing to note; the cause says so.
    await note.catch(() => {});
    throw new Error(`Migration ${name} failed: ${reason}`, { cause });
  }
}
