import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import {
  migrate,
  migrationNames,
  migrationsFolder,
  pendingMigrations,
} from '../../src/postgres/migrate/migrate.ts';
import {
  createDatabase,
  createEmptyDatabase,
  type TestDatabase,
} from '../testkit/postgres/test-database.ts';
import { withClient } from '../testkit/postgres/client.ts';

const INIT = '20261130150000_init';
const NEXT = '29990101000000_next';

let database: TestDatabase;
let directory: string;

beforeEach(async () => {
  database = await createEmptyDatabase();
  directory = await mkdtemp(join(tmpdir(), 'landfall-migrations-'));
  await cp(join(migrationsFolder, INIT), join(directory, INIT), { recursive: true });
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
  expect(await migrate(database.url, directory)).toEqual([INIT, NEXT]);
  expect(await pending()).toEqual([]);
  expect((await query('SELECT note FROM tenants')).rows).toEqual([]);
});

test('a second run applies nothing', async () => {
  await migrate(database.url, directory);
  expect(await migrate(database.url, directory)).toEqual([]);
});

test('by default the migrations are those of the project', async () => {
  const folders = await readdir(migrationsFolder, { withFileTypes: true });
  const names = folders.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  expect(names).toContain(INIT);
  expect(await migrate(database.url)).toEqual(names.toSorted());
});

test('where several processes migrate at once, one applies the migrations and the others wait', async () => {
  const runs = await Promise.all(Array.from({ length: 5 }, () => migrate(database.url, directory)));
  expect(runs.flat()).toEqual([INIT]);
  expect((await query('SELECT count(*)::int AS count FROM instance')).rows).toEqual([{ count: 1 }]);
});

test('the row of a migration has the checksum of its file', async () => {
  await migrate(database.url, directory);
  const sql = await readFile(join(directory, INIT, 'migration.sql'));
  const { rows } = await query('SELECT * FROM migrations');
  const checksum = createHash('sha256').update(sql).digest('hex');
  expect(rows).toEqual([{ name: INIT, checksum, applied_at: expect.any(Date) }]);
});

test('all tables are in the schema landfall, and nothing is in public', async () => {
  await migrate(database.url, directory);
  const { rows } = await query(
    `SELECT DISTINCT relnamespace::regnamespace::text AS schema FROM pg_class
      WHERE relkind IN ('r', 'v', 'i', 'S') AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)'`,
  );
  expect(rows).toEqual([{ schema: 'landfall' }]);
});

test('the parameter schema of the URL names another schema', async () => {
  const url = new URL(database.url);
  url.searchParams.set('schema', 'shop_sync');
  expect(await migrate(url.href, directory)).toEqual([INIT]);
  expect((await query('SELECT count(*)::int AS count FROM shop_sync.instance')).rows).toEqual([
    { count: 1 },
  ]);
  expect((await query(`SELECT to_regclass('landfall.instance') AS other`)).rows).toEqual([
    { other: null },
  ]);
});

test("another program's tables in public, and its table of migrations, do not matter", async () => {
  await query('CREATE TABLE public.events (); CREATE TABLE public._prisma_migrations (id text)');
  expect(await migrate(database.url, directory)).toEqual([INIT]);
});

test('a database that was made before the first release is refused with one line', async () => {
  await query(`CREATE TABLE public._prisma_migrations (); CREATE TABLE public.events ();
    CREATE TABLE public.purged_records ()`);
  await expect(migrate(database.url, directory)).rejects.toThrow(
    /^the database was made by a version from before the first release.*: name an empty database$/,
  );
  expect((await query(`SELECT to_regnamespace('landfall') AS made`)).rows).toEqual([
    { made: null },
  ]);
});

test('a migration whose file was changed after it was applied stops the run', async () => {
  await migrate(database.url, directory);
  await addMigration(INIT, 'SELECT 1;');
  await addMigration(NEXT, 'CREATE TABLE never ();');
  await expect(migrate(database.url, directory)).rejects.toThrow(
    /file of migration 20261130150000_init was changed after it was applied/,
  );
  expect((await query(`SELECT to_regclass('never') AS never`)).rows).toEqual([{ never: null }]);
});

test('a migration that fails leaves no changes and can be applied again', async () => {
  await migrate(database.url, directory);
  await addMigration(NEXT, 'CREATE TABLE half (); SELECT 1 / 0;');
  await expect(migrate(database.url, directory)).rejects.toThrow(
    `migration ${NEXT} failed: division by zero`,
  );
  expect(await pending()).toEqual([NEXT]);
  await addMigration(NEXT, 'CREATE TABLE half ();');
  expect(await migrate(database.url, directory)).toEqual([NEXT]);
});

test('a database with later migrations than the service knows has nothing pending', async () => {
  await cp(migrationsFolder, directory, { recursive: true });
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
  expect(await pending(clone.url, migrationsFolder)).toEqual([]);
  await clone.drop();
});
