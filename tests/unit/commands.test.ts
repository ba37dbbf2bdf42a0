import { describe, expect, test } from 'vitest';
import { runProgram } from './support/run-program.ts';

const env = {
  NODE_ENV: 'development',
  /** Nothing listens there: a command that is refused has not used the database. */
  DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
  JWT_SECRET: 'a secret of this test, at least 32 bytes',
  ...{ JWKS_URL: '', JWT_ISSUER: '', JWT_AUDIENCE: '', KINDS: '' },
};
const commands = [
  ...['token', 'retention', 'remove-tenant', 'tenant-hash', 'openapi'],
  ...['demo', 'soak', 'bench', 'bench:statements', 'start'],
];

describe('a command', () => {
  test.each(commands)('%s --help prints its usage, and does nothing', async (command) => {
    for (const option of ['--help', '-h']) {
      const { code, stdout, stderr } = await runProgram(command, [option], env);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/^usage: npm (run )?(--silent )?\S+/);
      expect(stdout).toContain(command);
    }
  });

  test.each(commands)('%s refuses an option that it does not know', async (command) => {
    const { code, stdout, stderr } = await runProgram(command, ['--kil'], env);
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
  ['token', ['--tenant', 't', '--device', 'd', '--', '--help'], '"--help" is not expected here'],
  ['token', ['--tenant', 't', '--tenant', 'u', '--device', 'd'], '--tenant is given twice'],
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
  ['tenant-hash', ['--tenant', ''], '--tenant names no tenant'],
  ['tenant-hash', ['--hash', '5fc7'], '--hash is no hash of the log'],
  ['openapi', ['x'], '"x" is not expected here'],
  ['soak', ['--minutes', '0'], '--minutes is a number above 0'],
  ['soak', ['--seed', 'x'], '--seed is a whole number'],
  ['bench', ['--only', 'nothing'], 'there is no scenario nothing'],
  ['demo', ['kill'], '"kill" is not expected here'],
])('%s %j is refused with the usage', async (command, args, says) => {
  const { code, stdout, stderr } = await runProgram(command, args, env);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  const [line = '', usage] = stderr.split('\n');
  expect(line).toContain(says);
  expect(usage).toMatch(/^usage: npm /);
});

describe('token', () => {
  const args = ['--tenant', 't', '--device', 'd'];

  test('prints whose secret has signed on stderr', async () => {
    const { code, stdout, stderr } = await runProgram('token', args, env);
    expect([code, stderr]).toEqual([0, 'signed with JWT_SECRET of the environment\n']);
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  });

  test('prints no token where an issuer makes the tokens', async () => {
    const issuer = { JWT_SECRET: '', JWKS_URL: 'http://127.0.0.1:1/', JWT_ISSUER: 'i' };
    const variables = { ...env, ...issuer, JWT_AUDIENCE: 'a' };
    const { code, stdout, stderr } = await runProgram('token', args, variables);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^JWKS_URL is set: tokens come from its issuer.*\n$/);
  });
});
