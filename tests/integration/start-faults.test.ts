import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { StartError } from '../../src/config/start-error.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate/migrate.ts';
import { withClient, urlOfDatabase } from '../testkit/postgres/client.ts';
import { createLogin, type TestLogin } from '../testkit/postgres/test-login.ts';
import { startTemporaryPostgres, type TestServer } from '../testkit/postgres/test-server.ts';

const password = 'open-sesame';

/** A cluster of its own, in which every login but the superuser needs a password. */
let server: TestServer;
let login: TestLogin;
/** Accepts connections, and never answers. */
let silent: Server;
const silenced = new Set<Socket>();
beforeAll(async () => {
  server = await startTemporaryPostgres();
  login = await createLogin(server.url, 'NOCREATEROLE');
  for (const name of ['empty', 'changed', 'former']) {
    await admin(`CREATE DATABASE "${name}" OWNER "${login.name}"`);
  }
  silent = createServer((socket) => silenced.add(socket)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { rows } = await admin('SHOW hba_file');
  const path = String(rows[0].hba_file);
  const rules = await readFile(path, 'utf8');
  await writeFile(path, `local all landfall trust\nlocal all all scram-sha-256\n${rules}`);
  await admin('SELECT pg_reload_conf()');
});
afterAll(async () => {
  for (const socket of silenced) socket.destroy();
  silent.close();
  await server.stop();
});

const admin = (sql: string, database?: string) =>
  withClient(database ? urlOfDatabase(server.url, database) : server.url, (client) =>
    client.query(sql),
  );

/** A migrated database of the superuser, in which the list of migrations was then changed. */
async function withChangedMigration(database: string): Promise<string> {
  const url = urlOfDatabase(server.url, database);
  await migrate(url);
  await admin(`UPDATE landfall.migrations SET checksum = 'another'`, database);
  return url;
}

/** A database with the tables of a version from before the first release. */
async function withFormerTables(database: string): Promise<string> {
  const tables = ['_prisma_migrations', 'events', 'purged_records'];
  await admin(tables.map((table) => `CREATE TABLE public.${table} ()`).join('; '), database);
  return urlOfDatabase(server.url, database);
}

const silentPort = () => {
  const address = silent.address();
  return typeof address === 'object' ? address?.port : undefined;
};
const refused = `postgresql://app:${password}@127.0.0.1:1/landfall`;

/** The message of the StartError. */
async function refusalOf(connectionString: string, directConnectionString?: string) {
  const hooks = { onMigrated: () => {}, onIdleError: () => {}, onRetry: () => {} };
  const urls = { connectionString, directConnectionString };
  const error = await openDatabase({ ...urls, poolSize: 1, hooks }).then(
    async (database) => {
      await database.close();
      throw new Error('the database was opened');
    },
    (reason: unknown) => reason,
  );
  if (!(error instanceof StartError)) throw error;
  expect(error.message).not.toContain(password);
  expect(error.message).not.toContain('\n');
  return error.message;
}

interface Fault {
  readonly what: string;
  readonly url: () => string | Promise<string>;
  /** After the name of the variable. */
  readonly says: string | RegExp;
}

const faults: readonly Fault[] = [
  { what: 'nothing listens', url: () => refused, says: 'nothing listens at 127.0.0.1:1' },
  {
    what: 'the host is not known',
    url: () => `postgresql://app:${password}@no-such-host.invalid:5432/landfall`,
    says: 'the host of no-such-host.invalid:5432 is not known',
  },
  {
    what: 'the server does not answer',
    url: () => `postgresql://app:${password}@127.0.0.1:${silentPort()}/landfall`,
    says: /^no answer from 127\.0\.0\.1:\d+$/,
  },
  {
    what: 'the socket does not exist',
    url: () => `postgresql://app:${password}@localhost/landfall?host=/no/such/folder`,
    says: 'nothing listens at /no/such/folder',
  },
  {
    what: 'the password is wrong',
    url() {
      const url = new URL(login.url);
      url.password = password;
      return url.href;
    },
    says: /refuses the login: password authentication failed for user "landfall_test_/,
  },
  {
    what: 'the database does not exist',
    url: () => urlOfDatabase(server.url, 'nowhere'),
    says: 'database "nowhere" does not exist',
  },
  {
    what: 'the login may not create the roles',
    url: () => urlOfDatabase(login.url, 'empty'),
    says: /has to run CREATE ROLE landfall_service NOLOGIN; CREATE ROLE landfall_operator NOLOGIN; CREATE ROLE landfall_reader NOLOGIN; GRANT/,
  },
  {
    what: 'a migration was changed',
    url: () => withChangedMigration('changed'),
    says: /^the file of migration \d+_init was changed after it was applied/,
  },
  {
    what: 'the tables are those of a version from before the first release',
    url: () => withFormerTables('former'),
    says: /^the database was made by a version from before the first release.*: name an empty database$/,
  },
];

test.each(faults)(
  'the database is not opened where $what, and one line names DATABASE_URL',
  async ({ url, says }) => {
    const [variable, ...rest] = (await refusalOf(await url())).split(': ');
    expect(variable).toBe('DATABASE_URL');
    expect(rest.join(': ')).toMatch(says);
  },
);

test('the line names the variable whose database has the fault', async () => {
  expect(await refusalOf(server.url, refused)).toBe(
    'DIRECT_DATABASE_URL: nothing listens at 127.0.0.1:1',
  );
  await admin('CREATE DATABASE ready');
  expect(await refusalOf(refused, urlOfDatabase(server.url, 'ready'))).toBe(
    'DATABASE_URL: nothing listens at 127.0.0.1:1',
  );
});
