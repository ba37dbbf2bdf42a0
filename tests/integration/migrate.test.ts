import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import {
  MIGRATIONS,
  migrate,
  migrationNames,
  pendingMigrations,
} from '../../src/postgres/migrate/migrate.ts';
import {
  createDatabase,
  createEmptyDatabase,
  type TestDatabase,
} from '../testkit/postgres/test-database.ts';
import { withClient } from '../testkit/postgres/client.ts';

const INIT = '20261121120000_init';
const NEXT = '29990101000000_next';

let database: TestDatabase;
let directory: string;

beforeEach(async () => {
  database = await createEmptyDatabase();
  directory = await mkdtemp(join(tmpdir(), 'landfall-migrations-'));
  await cp(join(MIGRATIONS, INIT), join(directory, INIT), { recursive: true });
});

afterEach(async () => {
  await database.drop();
  await rm(directory, { recursive: true });
});

const addMigration = async (name: string, sql: string) => {
  await mkdir(join(directory, name), { recursive: true });
  await writeFile(join(directory, name, 'migration.sql'), sql);
};

const query = (sql: string) => withClient(database.url, (client) => client.query(sql));

const pending = async (url = database.url, folder = directory) => {
  const names = await migrationNames(folder);
  return withClient(url, (client) => pendingMigrations(client, names));
};

test('an empty database gets all migrations, in the order of their names', async () => {
  await addMigration(NEXT, 'ALTER TABLE tenants ADD COLUMN note TEXT;');
  expect(await pending()).toEqual([INIT, NEXT]);
  expect(await migrate(database.url, directory)).toEqual([INIT, NEXT]);
  expect(await pending()).toEqual([]);
  expect((await query('SELECT note FROM tenants')).rows).toEqual([]);
});

test('a second run applies nothing', async () => {
  await migrate(database.url, directory);
  expect(await migrate(database.url, directory)).toEqual([]);
});

test('by default the migrations are those of the project', async () => {
  const folders = await readdir(MIGRATIONS, { withFileTypes: true });
  const names = folders.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  expect(names).toContain(INIT);
  expect(await migrate(database.url)).toEqual(names.toSorted());
});

test('a conflict that was stored before conflicts could be listed is open afterwards', async () => {
  await migrate(database.url, directory);
  await query(`INSERT INTO events (tenant_id, version, identity_key, fingerprint, kind, kind_version,
      entity_type, entity_id, outcome, effective_at, received_at, clock_adjusted, payload)
    SELECT 't1', version, 'k' || version, '', 'note.put', 1, 'note', 'n1', outcome, now(), now(),
      false, '{}' FROM (VALUES (1, 'applied'), (2, 'conflict')) AS stored (version, outcome)`);
  await migrate(database.url);
  const { rows } = await query('SELECT version::int, entity_id, resolution FROM conflicts');
  expect(rows).toEqual([{ version: 2, entity_id: 'n1', resolution: null }]);
});

test('where several processes migrate at once, one applies the migrations and the others wait', async () => {
  const runs = await Promise.all(
    Array.from({ length: 5 }, () => migrate({ connectionString: database.url }, directory)),
  );
  expect(runs.flat()).toEqual([INIT]);
  expect((await query('SELECT count(*)::int AS count FROM instance')).rows).toEqual([{ count: 1 }]);
});

test('the row of a migration is the one that Prisma writes', async () => {
  await migrate(database.url, directory);
  const sql = await readFile(join(directory, INIT, 'migration.sql'));
  const { rows } = await query('SELECT * FROM _prisma_migrations');
  expect(rows).toEqual([
    {
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      checksum: createHash('sha256').update(sql).digest('hex'),
      finished_at: expect.any(Date),
      migration_name: INIT,
      logs: null,
      rolled_back_at: null,
      started_at: expect.any(Date),
      applied_steps_count: 1,
    },
  ]);
});

test('a migration whose file was changed after it was applied stops the run', async () => {
  await migrate(database.url, directory);
  await addMigration(INIT, 'SELECT 1;');
  await addMigration(NEXT, 'CREATE TABLE never ();');
  await expect(migrate(database.url, directory)).rejects.toThrow(
    /file of migration 20261121120000_init was changed after it was applied/,
  );
  expect((await query(`SELECT to_regclass('never') AS never`)).rows).toEqual([{ never: null }]);
});

test('no migration is applied after one that did not end, until it is marked as finished', async () => {
  await migrate(database.url, directory);
  await query('UPDATE _prisma_migrations SET finished_at = NULL');
  await addMigration(NEXT, 'CREATE TABLE later ();');
  await expect(migrate(database.url, directory)).rejects.toThrow(
    /20261121120000_init was begun and did not end/,
  );
  expect(await pending()).toEqual([INIT, NEXT]);
  await query('UPDATE _prisma_migrations SET finished_at = now()');
  expect(await migrate(database.url, directory)).toEqual([NEXT]);
});

test('a migration that fails leaves no changes and can be applied again', async () => {
  await addMigration(NEXT, 'CREATE TABLE half (); SELECT 1 / 0;');
  await expect(migrate(database.url, directory)).rejects.toThrow(
    `Migration ${NEXT} failed: division by zero`,
  );
  expect(await pending()).toEqual([NEXT]);
  await addMigration(NEXT, 'CREATE TABLE half ();');
  expect(await migrate(database.url, directory)).toEqual([NEXT]);
});

test('a migration with CONCURRENTLY that fails stays unfinished, and its row has the error', async () => {
  await addMigration(NEXT, 'CREATE INDEX CONCURRENTLY by_head ON tenants (id, head);');
  expect(await migrate(database.url, directory)).toEqual([INIT, NEXT]);
  const broken = NEXT.replace('next', 'then');
  await addMigration(broken, 'CREATE INDEX CONCURRENTLY by_nothing ON tenants (id, nothing);');
  await expect(migrate(database.url, directory)).rejects.toThrow(`${broken} failed`);
  const { rows } = await query('SELECT logs FROM _prisma_migrations WHERE finished_at IS NULL');
  expect(rows).toEqual([{ logs: 'column "nothing" does not exist' }]);
});

test('a database with later migrations than the service knows has nothing pending', async () => {
  await cp(MIGRATIONS, directory, { recursive: true });
  await addMigration(NEXT, 'CREATE TABLE later ();');
  await migrate(database.url, directory);
  expect(await migrate(database.url)).toEqual([]);
});

test('the template of the test databases has nothing pending', async () => {
  const { rows } = await withClient(inject('database').baseUrl, (client) =>
    client.query('SELECT datallowconn FROM pg_database WHERE datname = $1', [
      inject('database').template,
    ]),
  );
  expect(rows).toEqual([{ datallowconn: false }]);
  const clone = await createDatabase();
  expect(await pending(clone.url, MIGRATIONS)).toEqual([]);
  await clone.drop();
});
