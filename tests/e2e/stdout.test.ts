import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { isRunning } from '../testkit/processes/child-process.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const waitMs = 10_000;
/** What a pipe holds, and what waits in the service beyond it. */
const pipeAndMore = 65_536 + 1_048_576 + 65_536;

let database: TestDatabase;
let folder: string;
const started: ChildProcess[] = [];
beforeAll(async () => {
  [database, folder] = await Promise.all([
    createDatabase(),
    mkdtemp(join(tmpdir(), 'landfall-stdout-')),
  ]);
});
afterEach(() => {
  // The group: the shell, what it runs, and what reads.
  for (const { pid } of started.splice(0)) {
    try {
      if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    } catch {
      // All of it has ended.
    }
  }
});
afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true });
});

/** Runs a command of the shell; `$?` of the pipe's first part is its exit code. */
function shell(command: string, env: NodeJS.ProcessEnv = {}) {
  const child = spawn('bash', ['-c', `${command}; exit "\${PIPESTATUS[0]}"`], {
    cwd: root,
    detached: true,
    env: {
      ...process.env,
      ...{ NODE_ENV: 'development', DATABASE_URL: database.url, DATA_DIR: folder, KINDS: '' },
      ...{ JWT_SECRET: '', JWKS_URL: '', JWT_ISSUER: '', JWT_AUDIENCE: '', SHUTDOWN_DELAY: '0s' },
      ...{ RATE_LIMIT_ADDRESS: 'off', MAX_EVENT_LOOP_DELAY: '1h' },
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (output.stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (output.stderr += String(chunk)));
  return { child, output, ended: once(child, 'close').then(([code]) => Number(code)) };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const isUp = (url: string) =>
  fetch(`${url}/livez`, { signal: AbortSignal.timeout(waitMs) }).then(
    ({ ok }) => ok,
    () => false,
  );

/** A line of the log for each. */
async function request(url: string, times: number): Promise<void> {
  for (let sent = 0; sent < times; sent += 50) {
    await Promise.all(
      Array.from({ length: 50 }, () => fetch(`${url}/nothing`).then((answer) => answer.text())),
    );
  }
}

/** The service writes its pid to stderr, as nobody may read its stdout. */
const service = `node --import ./dev/register.mjs --input-type=module -e 'console.error(process.pid); await import("./src/main.ts")'`;

describe.each([
  ['goes away after a line', 'head -1'],
  ['goes away at once', 'true'],
  ['is stuck', 'sleep 600'],
])('where the reader of stdout %s', (_what, reader) => {
  test('the service goes on, and stops in order', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const env = { PORT: String(port), LOG_LEVEL: 'debug' };
    const { output, ended } = shell(`${service} | ${reader}`, env);
    await expect.poll(() => isUp(url), { timeout: 30_000 }).toBe(true);
    // Some 180 bytes a line.
    await request(url, reader.startsWith('sleep') ? pipeAndMore / 180 : 200);
    expect(await isUp(url)).toBe(true);
    const pid = Number(output.stderr.split('\n', 1)[0]);
    process.kill(pid, 'SIGTERM');
    await expect.poll(() => isRunning(pid), { timeout: 30_000 }).toBe(false);
    // What reads it is stuck for longer.
    if (!reader.startsWith('sleep')) await ended;
    expect(output.stderr).toBe(`${pid}\n`);
  });
});

describe.each([
  ['JSON', false],
  ['the lines of a terminal', true],
])('a log of %s', (_what, pretty) => {
  const script = `
    import { createLogger } from './src/observability/logger.ts';
    const logger = createLogger({ level: 'info', pretty: ${pretty} });
    const log = (times) => { for (let n = 0; n < times; n += 1) logger.info({ event: 'x', n }, 'y'.repeat(1000)); };
    log(3000);
    process.stderr.write('went on');
    process.on('SIGUSR2', () => log(1));
    setTimeout(() => {}, 600_000);`;
  const write = `node --import ./dev/register.mjs --input-type=module -e '${script.replaceAll("'", `'\\''`)}'`;

  test.each(['true', 'head -1', 'sleep 600'])(
    'does not wait for its reader: %s',
    async (reader) => {
      const { output } = shell(`${write} | ${reader}`);
      await expect.poll(() => output.stderr, { timeout: 30_000 }).toBe('went on');
    },
  );

  test('goes on where its reader comes back, and says what was lost', async () => {
    // Reads nothing until there is a file.
    const go = join(folder, `go-${pretty}`);
    const { output } = shell(`${write} | (until [ -e ${go} ]; do sleep 0.05; done; cat)`);
    await expect.poll(() => output.stderr, { timeout: 30_000 }).toBe('went on');
    expect(output.stdout).toBe('');
    await shell(`touch ${go}`).ended;
    await expect.poll(() => output.stdout, { timeout: 30_000 }).toMatch(/"?lines"?: ?[1-9]\d+/);
    expect(output.stdout).toContain('lines of the log were lost');
    expect(output.stdout.match(/y{1000}/g)?.length).toBeGreaterThan(900);
  });
});

test.each([
  ['token', 'node --import ./dev/register.mjs src/cli/token.ts --tenant t --device d'],
  ['retention', 'node --import ./dev/register.mjs src/cli/retention.ts --once'],
  ['the usage of token', 'node src/cli/token.ts --help'],
  ['the usage of bench', 'node bench/main.ts --help'],
])('%s ends well where nobody reads what it prints', async (_what, command) => {
  const { output, ended } = shell(`(sleep 0.5; exec ${command}) | true`);
  expect(await ended).toBe(0);
  expect(output.stderr.replace(/^signed with .*\n/, '')).toBe('');
});
