import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { runNpmScript } from '../testkit/processes/npm-script.ts';

const password = 'open-sesame';
const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** Nothing listens there. tests/integration/start-faults.test.ts has the other faults of a database. */
const refused = `postgresql://app:${password}@127.0.0.1:1/landfall`;

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

test.each<[variable: string, env: NodeJS.ProcessEnv]>([
  ['DATABASE_URL', { DATABASE_URL: refused }],
  ['DIRECT_DATABASE_URL', { DATABASE_URL: refused, DIRECT_DATABASE_URL: refused }],
])(
  'without its database the service logs, and a command prints, one line that names %s',
  async (variable, urls) => {
    const env = { NODE_ENV: 'production', ...urls };
    const [service, command] = await Promise.all([
      startOnce(env),
      runNpmScript('retention', ['--once'], env),
    ]);
    const line = `${variable}: nothing listens at 127.0.0.1:1`;
    expect(service).toMatchObject({ code: 1, stderr: '' });
    const { time, ...rest } = JSON.parse(service.stdout);
    expect(rest).toEqual({ level: 'fatal', event: 'service.not-started', msg: line });
    expect(Date.parse(time)).not.toBeNaN();
    expect(command).toEqual({ code: 1, stdout: '', stderr: `${line}\n` });
  },
);

test('a wrong setting is named on stderr before there is a log, without its value', async () => {
  const url = `postgresql://app:${password}/x@db/landfall`;
  const { code, stdout, stderr } = await startOnce({ DATABASE_URL: url });
  expect([code, stdout]).toEqual([1, '']);
  const [head, line = '', ...rest] = stderr.split('\n');
  expect([head, rest]).toEqual(['Landfall cannot start.', ['']]);
  expect(line).toMatch(/^DATABASE_URL: cannot be read as a URL: .* write \/ as %2F,/);
  expect(stderr).not.toContain(password);
});
