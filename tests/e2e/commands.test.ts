import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTenant } from '../testkit/oracle/tenant.ts';
import { put } from '../testkit/oracle/events.ts';
import { startApp, type TestApp } from '../testkit/app.ts';
import { npmRun } from '../testkit/command.ts';

/** Nothing listens there: what is refused has asked no database. */
const env = { DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none', JWT_SECRET: '' };
const commands = [
  ...['token', 'retention', 'remove-tenant', 'tenant-hash', 'openapi'],
  ...['demo', 'soak', 'bench', 'bench:statements', 'start'],
];

describe('a command', () => {
  test.each(commands)('%s -- --help prints its usage, and does nothing', async (command) => {
    const { code, stdout, stderr } = await npmRun(command, ['--help'], env);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^usage: npm (run )?(--silent )?\S+/);
    expect(stdout).toContain(command);
  });

  test.each(commands)('%s refuses an option that it does not know', async (command) => {
    const { code, stdout, stderr } = await npmRun(command, ['--kil'], env);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^Unknown option '--kil'\nusage: npm /);
  });
});

test.each<[command: string, args: readonly string[], says: string]>([
  ['token', [], '--tenant and --device are needed'],
  ['token', ['--tenant', 't'], '--tenant and --device are needed'],
  ['token', ['--tenant', '', '--device', 'd'], '--tenant and --device are needed'],
  ['token', ['--tenant', 't', '--device'], "Option '--device <value>' argument missing"],
  ['token', ['--tenant', 't', '--device', 'd', 'e'], '"e" is not expected here'],
  ['token', ['--tenant', 't', '--tenant', 'u', '--device', 'd'], '--tenant stands twice'],
  ['token', ['--tenant', 't', '--device', 'd', '--ttl', 'soon'], '--ttl soon is not a duration'],
  [
    'token',
    ['--tenant', 't', '--device', 'd', '--scope', 'sync:push nonsense'],
    '--scope "nonsense" is no scope of this service: sync:push, sync:pull, colony:admin',
  ],
  ['token', ['--tenant', 't', '--device', 'd', '--scope', ''], '--scope "" is no scope'],
  ['retention', [], '--once is needed'],
  ['retention', ['--once=yes'], "Option '--once' does not take an argument"],
  ['remove-tenant', [], 'name one tenant'],
  ['remove-tenant', ['a', 'b'], '"b" is not expected here'],
  ['tenant-hash', [], 'name one: --tenant or --hash'],
  ['tenant-hash', ['--tenant', 't', '--hash', 'a'.repeat(16)], 'name one: --tenant or --hash'],
  ['tenant-hash', ['--hash', '5fc7'], '--hash is none of the log'],
  ['openapi', ['x'], '"x" is not expected here'],
  ['soak', ['--minutes', '0'], '--minutes is a number above 0'],
  ['soak', ['--seed', 'x'], '--seed is a whole number'],
  ['bench', ['--only', 'nothing'], 'there is no scenario nothing'],
  ['demo', ['kill'], '"kill" is not expected here'],
])('npm run %s -- %j is refused with the usage', async (command, args, says) => {
  const { code, stdout, stderr } = await npmRun(command, args, env);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  const [line = '', usage] = stderr.split('\n');
  expect(line).toContain(says);
  expect(usage).toMatch(/^usage: npm /);
});

describe('npm run tenant-hash', () => {
  let service: TestApp;
  beforeAll(async () => {
    service = await startApp();
  });
  afterAll(() => service.close());
  const hash = (...args: readonly string[]) =>
    npmRun('tenant-hash', args, { DATABASE_URL: service.database.url });

  test('says which tenant a hash of the log is, and which hash a tenant has', async () => {
    const tenant = await createTenant(service);
    await tenant.push([put('n1')]);
    const logged = () => service.logLines.find(({ event }) => event === 'request')?.tenant;
    await expect.poll(logged).toBeDefined();
    const found = String(logged());
    expect(await hash('--tenant', tenant.id)).toEqual({
      code: 0,
      stdout: `${found}\n`,
      stderr: '',
    });
    expect(await hash('--hash', found)).toEqual({ code: 0, stdout: `${tenant.id}\n`, stderr: '' });
  });

  test('finds one of many, behind the first pages', async () => {
    await service.sql(
      `INSERT INTO tenants (id, head) SELECT 'many-' || lpad(n::text, 5, '0'), 1 FROM generate_series(1, 3500) n`,
    );
    const { stdout } = await hash('--tenant', 'many-03333');
    expect((await hash('--hash', stdout.trim())).stdout).toBe('many-03333\n');
    const { stdout: last } = await hash('--tenant', 'many-03500');
    expect((await hash('--hash', last.trim())).stdout).toBe('many-03500\n');
  });

  test('says where no tenant has it', async () => {
    const absent = await hash('--hash', '0123456789abcdef');
    expect(absent).toMatchObject({ code: 1, stdout: '' });
    expect(absent.stderr).toBe(
      'no tenant that has pushed to this database has the hash 0123456789abcdef\n',
    );
  });
});

describe('npm run token', () => {
  const token = (variables: NodeJS.ProcessEnv) =>
    npmRun('token', ['--tenant', 't', '--device', 'd'], { ...env, ...variables });

  test('says on stderr whose secret has signed', async () => {
    const set = await token({ JWT_SECRET: 'a secret of this test, at least 32 bytes' });
    expect(set).toMatchObject({ code: 0, stderr: 'signed with JWT_SECRET of the environment\n' });
    expect(set.stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(set.stderr).not.toContain('a secret');
  });

  test('where the issuer is somebody else, says so and prints none', async () => {
    const variables = { JWKS_URL: 'http://127.0.0.1:1/', JWT_ISSUER: 'i', JWT_AUDIENCE: 'a' };
    const refused = await token(variables);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/^JWKS_URL is set: tokens come from its issuer.*\n$/);
  });
});
