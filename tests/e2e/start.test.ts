import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { removeDataDir } from '../testkit/postgres/data-dir.ts';
import { isRunning } from '../testkit/processes/child-process.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

let dataDir: string;
const started: ChildProcess[] = [];
/** The services below npm, which may end later than npm does. */
const services: number[] = [];
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'landfall-start-'));
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    signalGroup(child, 'SIGTERM');
    await ended(child);
  }
  for (const pid of services.splice(0)) {
    await vi.waitUntil(() => !isRunning(pid), { timeout: 30_000 });
  }
  await removeDataDir(dataDir);
});

describe('npm start on a machine with nothing but Node and npm', () => {
  test('prints a push and a pull that work as pasted, and keeps the data and the secret over a restart', async () => {
    const first = await npmStart();
    const [push = '', pull = ''] = first.curls;
    expect((await bash(push)).results).toMatchObject([{ status: 'applied', version: 1 }]);
    expect((await bash(push)).results).toMatchObject([{ status: 'duplicate', version: 1 }]);
    const before = await bash(pull);
    expect(before.changes).toMatchObject([{ entityId: 'hello', version: 1 }]);
    expect((await fetch(`${first.url}/docs/`)).status).toBe(200);

    signalGroup(first.child, 'SIGINT');
    await ended(first.child);
    const second = await npmStart();
    // The token is still valid, so the secret was kept too.
    const again = await bash(pull.replace(first.url, second.url));
    expect(again.changes).toEqual(before.changes);
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'stops the service where only npm gets %s, so that the next start works',
    async (signal) => {
      const first = await npmStart();
      first.child.kill(signal);
      await vi.waitUntil(() => !isRunning(services.at(-1) ?? 0), { timeout: 30_000 });
      const second = await npmStart({ PORT: new URL(first.url).port });
      expect(second.url).toBe(first.url);
    },
  );
});

test('npm start in production refuses to start without a secret, and names the variable', async () => {
  const DATABASE_URL = 'postgresql://nobody@127.0.0.1:1/none';
  const child = spawnStart({ NODE_ENV: 'production', DATABASE_URL });
  const output = collect(child);
  expect(await ended(child)).toBe(1);
  expect(output.join('')).toContain('JWT_SECRET');
});

describe('npm run token', () => {
  const token = (...args: string[]) =>
    run('npm', ['run', '--silent', 'token', '--', ...args], {
      cwd: root,
      env: { ...process.env, DATA_DIR: dataDir, JWT_SECRET: '', JWKS_URL: '' },
    });

  test('prints a token with the claims asked for, and whose secret has signed it', async () => {
    const { stdout, stderr } = await token(
      ...['--tenant', 'shop', '--device', 'till-1', '--subject', 'ann'],
      ...['--scope', 'sync:pull', '--ttl', '5m'],
    );
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(stderr.replace(/^npm warn .*\n/gm, '')).toBe(
      `signed with the secret that the service made in ${dataDir}/jwt-secret, as JWT_SECRET is not set\n`,
    );
    const claims = JSON.parse(Buffer.from(stdout.split('.')[1] ?? '', 'base64url').toString());
    expect(claims).toMatchObject({
      ...{ tenant: 'shop', device: 'till-1', sub: 'ann', scope: 'sync:pull' },
      exp: claims.iat + 300,
    });
  });
});

function spawnStart(env: NodeJS.ProcessEnv): ChildProcess {
  const child = spawn('npm', ['start'], {
    cwd: root,
    // Its own group, as a terminal gives it: Ctrl-C reaches all of it at once.
    detached: true,
    env: {
      ...process.env,
      ...{ NODE_ENV: 'development', PORT: '0', DATA_DIR: dataDir, DATABASE_URL: '' },
      ...{ JWT_SECRET: '', JWKS_URL: '', JWT_ISSUER: '', JWT_AUDIENCE: '', JWT_TENANT_CLAIM: '' },
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  return child;
}

function collect(child: ChildProcess): string[] {
  const output: string[] = [];
  child.stdout?.on('data', (chunk) => output.push(String(chunk)));
  child.stderr?.on('data', (chunk) => output.push(String(chunk)));
  return output;
}

async function npmStart(env: NodeJS.ProcessEnv = {}) {
  const child = spawnStart(env);
  const output = collect(child);
  while (!output.join('').includes('"service.started"')) {
    if (child.exitCode !== null) throw new Error(`npm start ended:\n${output.join('')}`);
    await Promise.race([once(child.stdout ?? child, 'data'), ended(child)]);
  }
  const text = output.join('');
  services.push(Number(/"service.started".*"pid":(\d+)/.exec(text)?.[1]));
  const url = /^Landfall {2}(\S+)$/m.exec(text)?.[1] ?? '';
  return { child, url, curls: [...text.matchAll(/^curl .*$/gm)].map(([command]) => command) };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  process.kill(-child.pid, signal);
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}

async function bash(command: string) {
  const { stdout } = await run('bash', ['-c', command]);
  return JSON.parse(stdout);
}
