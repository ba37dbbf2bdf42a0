import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '../../src/postgres/migrate/migrate.ts';
import { npmRun } from '../testkit/command.ts';
import { createLogin, type TestLogin } from '../testkit/logins.ts';
import { startTemporary, type TestServer } from '../testkit/postgres.ts';
import { withClient, withDatabase } from '../testkit/template.ts';

const password = 'open-sesame';
const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** A cluster of its own, in which a password is asked of everybody but its superuser. */
let server: TestServer;
let login: TestLogin;
/** Takes connections, and says nothing. */
let silent: Server;
const silenced = new Set<Socket>();
beforeAll(async () => {
  server = await startTemporary();
  login = await createLogin(server.url, 'NOCREATEROLE');
  for (const name of ['empty', 'changed', 'unfinished']) {
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
  withClient(database ? withDatabase(server.url, database) : server.url, (client) =>
    client.query(sql),
  );

/** A migrated database of the superuser's, whose books are then as told. */
async function withBooks(database: string, change: string): Promise<string> {
  const url = withDatabase(server.url, database);
  await migrate(url);
  await admin(`UPDATE _prisma_migrations SET ${change}`, database);
  return url;
}

const silentPort = () => {
  const address = silent.address();
  return typeof address === 'object' ? address?.port : undefined;
};
const noHost = `postgresql://app:${password}@no-such-host.invalid:5432/landfall`;
const refused = `postgresql://app:${password}@127.0.0.1:1/landfall`;

interface Fault {
  readonly what: string;
  readonly url: () => string | Promise<string>;
  /** After the variable's name. */
  readonly says: string | RegExp;
}

const faults: readonly Fault[] = [
  { what: 'nothing listens', url: () => refused, says: 'nothing listens at 127.0.0.1:1' },
  {
    what: 'an unknown host',
    url: () => noHost,
    says: 'the host of no-such-host.invalid:5432 is not known',
  },
  {
    what: 'a server that says nothing',
    url: () => `postgresql://app:${password}@127.0.0.1:${silentPort()}/landfall`,
    says: /^no answer from 127\.0\.0\.1:\d+$/,
  },
  {
    what: 'a socket that is not there',
    url: () => `postgresql://app:${password}@localhost/landfall?host=/no/such/folder`,
    says: 'nothing listens at /no/such/folder',
  },
  {
    what: 'a wrong password',
    url() {
      const url = new URL(login.url);
      url.password = password;
      return url.href;
    },
    says: /refuses the login: password authentication failed for user "landfall_test_/,
  },
  {
    what: 'a database that is not there',
    url: () => withDatabase(server.url, 'nowhere'),
    says: 'database "nowhere" does not exist',
  },
  {
    what: 'a login that may not create the roles',
    url: () => withDatabase(login.url, 'empty'),
    says: /has to run CREATE ROLE landfall_service NOLOGIN; CREATE ROLE landfall_operator NOLOGIN; GRANT/,
  },
  {
    what: 'a migration that was changed',
    url: () => withBooks('changed', `checksum = 'another'`),
    says: /^The file of migration \d+_init was changed after it was applied/,
  },
  {
    what: 'a migration that did not end',
    url: () => withBooks('unfinished', 'finished_at = NULL'),
    says: /^Migration \d+_init was begun and did not end/,
  },
];

async function startOnce(env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, [program], {
    env: {
      ...process.env,
      ...{ NODE_ENV: 'production', PORT: '0', JWT_SECRET: 's'.repeat(32), JWKS_URL: '', ...env },
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (output.stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (output.stderr += String(chunk)));
  const [code] = await once(child, 'close');
  return { code, ...output };
}

test.each(faults)(
  'with $what nothing starts: the service logs, and a command prints, one line that names DATABASE_URL',
  async ({ url, says }) => {
    const env = { NODE_ENV: 'production', DATABASE_URL: await url() };
    const [service, command] = await Promise.all([
      startOnce(env),
      npmRun('retention', ['--once'], env),
    ]);
    expect(service).toMatchObject({ code: 1, stderr: '' });
    const { level, event, msg, time, ...rest } = JSON.parse(service.stdout);
    expect({ level, event, rest }).toEqual({
      ...{ level: 'fatal', event: 'service.not-started', rest: {} },
    });
    expect(Date.parse(time)).not.toBeNaN();
    expectToSay(msg, says);
    expect(command).toMatchObject({ code: 1, stdout: '' });
    expect(command.stderr.trim().split('\n')).toHaveLength(1);
    expectToSay(command.stderr.trim(), says);
  },
);

function expectToSay(line: string, says: string | RegExp): void {
  const [variable, ...rest] = line.split(': ');
  expect(variable).toBe('DATABASE_URL');
  expect(rest.join(': ')).toMatch(says);
  expect(line).not.toContain(password);
  expect(line).not.toMatch(/ at .*\.ts:\d/);
}

test.each([
  ['localhost:5432', /^must be a URL that begins with postgresql:\/\/$/],
  ['mysql://app@db/landfall', /^must be a URL that begins with postgresql:\/\/$/],
  [`postgresql://app:${password}/x@db/landfall`, /^cannot be read as a URL: .* write \/ as %2F,/],
  ['postgresql://app:1234/x@db/landfall', /^cannot be read, .* write \/ as %2F,/],
])('a DATABASE_URL that is none of PostgreSQL is refused by its name: %s', async (url, says) => {
  const { code, stdout, stderr } = await startOnce({ DATABASE_URL: url });
  expect([code, stdout]).toEqual([1, '']);
  const [head, line = '', ...rest] = stderr.split('\n');
  expect([head, rest]).toEqual(['Landfall cannot start.', ['']]);
  expect(line.replace('DATABASE_URL: ', '')).toMatch(says);
  expect(stderr).not.toContain(password);
});

test('where the owner has a URL of its own, it is that one that is named', async () => {
  const env = { DATABASE_URL: server.url, DIRECT_DATABASE_URL: refused };
  const { code, stdout } = await startOnce(env);
  expect(code).toBe(1);
  expect(JSON.parse(stdout).msg).toBe('DIRECT_DATABASE_URL: nothing listens at 127.0.0.1:1');
  const { stderr } = await npmRun('retention', ['--once'], env);
  expect(stderr).toBe('DIRECT_DATABASE_URL: nothing listens at 127.0.0.1:1\n');
  await admin('CREATE DATABASE ready');
  const ready = withDatabase(server.url, 'ready');
  const other = await startOnce({ DATABASE_URL: refused, DIRECT_DATABASE_URL: ready });
  expect(other.stdout).toContain('"DATABASE_URL: nothing listens at 127.0.0.1:1"');
});
