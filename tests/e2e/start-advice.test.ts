import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { startService } from '../testkit/processes/service-process.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const nobody = 65_534;
const isRoot = process.getuid?.() === 0;

let database: TestDatabase;
let folder: string;
let taken: Server;
let takenPort: number;
beforeAll(async () => {
  [database, folder] = await Promise.all([
    createDatabase(),
    mkdtemp(join(tmpdir(), 'landfall-advice-')),
  ]);
  await chmod(folder, 0o755);
  taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = taken.address();
  takenPort = typeof address === 'object' && address !== null ? address.port : 0;
});
afterAll(async () => {
  taken.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

interface Start {
  readonly env: NodeJS.ProcessEnv;
  readonly flags?: readonly string[];
  readonly program?: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
}

/** As a user that may neither write everywhere nor open every port. */
async function start(options: Start) {
  const { env, flags = [], program = 'src/main.ts', args = [], cwd = root } = options;
  const register = ['--import', './dev/register.mjs'];
  const child = spawn(process.execPath, [...flags, ...register, program, ...args], {
    cwd,
    env: {
      PATH: process.env.PATH,
      ...{ NODE_ENV: 'development', PORT: '0', DATA_DIR: join(folder, 'data') },
      ...env,
    },
    ...(isRoot && { uid: nobody, gid: nobody }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (output.stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (output.stderr += String(chunk)));
  const [code] = await once(child, 'close');
  const lines = output.stdout.trim().split('\n').filter(Boolean);
  const fatal = lines.map((line) => JSON.parse(line)).find(({ level }) => level === 'fatal');
  return { code, ...output, fatal };
}

const secret = { JWT_SECRET: 'a secret of this test, at least 32 bytes' };
const own = () => ({ ...secret, DATABASE_URL: database.url });

/** tests/unit/start-error.test.ts has the other reasons. */
test('a service that cannot listen says so in one line of its log', async () => {
  const { code, stderr, fatal } = await start({ env: { ...own(), PORT: String(takenPort) } });
  expect([code, stderr]).toEqual([1, '']);
  const msg = `PORT: ${takenPort} is taken at 127.0.0.1: stop what listens there, or set another one`;
  expect(fatal).toEqual({
    ...{ level: 'fatal', event: 'service.not-started', msg, time: fatal.time },
  });
});

describe('a folder of data that cannot be used is named in one line, by the service and by a command:', () => {
  beforeAll(async () => {
    await mkdir(join(folder, 'closed'));
    // Not even its owner may write: the owner starts the service where the tests do not run as root.
    await chmod(join(folder, 'closed'), 0o500);
  });
  afterAll(() => chmod(join(folder, 'closed'), 0o700));

  test.each([
    ['another user has it', 'closed'],
    ['another user has what is above it', 'closed/data'],
  ])('%s', async (_what, path) => {
    const DATA_DIR = join(folder, path);
    const line =
      /^DATA_DIR: \S+ cannot be used, [^:]+: name another folder, or set DATABASE_URL and JWT_SECRET$/;
    // Once for the secret, once for the database.
    const [alone, withSecret, command] = await Promise.all([
      start({ env: { DATA_DIR } }),
      start({ env: { DATA_DIR, ...secret } }),
      start({ env: { DATA_DIR }, program: 'src/cli/retention.ts', args: ['--once'] }),
    ]);
    expect([command.code, command.stdout]).toEqual([1, '']);
    expect(command.stderr.trim()).toMatch(line);
    expect([alone.code, alone.stdout]).toEqual([1, '']);
    const [first, second, ...others] = alone.stderr.trim().split('\n');
    expect([first, others]).toEqual(['Landfall cannot start.', []]);
    expect(second).toMatch(line);
    expect([withSecret.code, withSecret.stderr]).toEqual([1, '']);
    expect(withSecret.fatal.msg).toMatch(line);
    expect(withSecret.fatal).not.toHaveProperty('err');
  });
});

describe('before anything is read,', () => {
  const preload = (code: string) => `--import=data:text/javascript,${encodeURIComponent(code)}`;
  const check = '--import=./src/cli/check-node.mjs';

  test.each(['18.20.8', '20.19.5', '22.21.1'])('Node %s is refused in one line', async (node) => {
    const older = preload(
      `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${node}' } });`,
    );
    const { code, stdout, stderr } = await start({ env: own(), flags: [older, check] });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toBe(
      `Landfall cannot start.\nnode: this is Node ${node}, and 22.22 or newer is needed: npm ci brings one, ` +
        'which npm start and npm run use; by hand it is node_modules/.bin/node\n',
    );
  });

  test('a database client that was not generated is missed in one line', async () => {
    const copy = join(folder, 'copy');
    await mkdir(copy);
    await cp(join(root, 'package.json'), join(copy, 'package.json'));
    await cp(join(root, 'dev'), join(copy, 'dev'), { recursive: true });
    await cp(join(root, 'src'), join(copy, 'src'), {
      recursive: true,
      filter: (path) => !path.includes('src/generated'),
    });
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    const { code, stderr } = await start({ env: own(), flags: [check], cwd: copy });
    expect(code).toBe(1);
    expect(stderr).toBe(
      'Landfall cannot start.\nsrc/generated: the database client is missing, as npm ci was told to run no scripts: run npm run prepare\n',
    );
  });
});

test('an issuer that does not answer is named at the start, and the service runs', async () => {
  const service = await startService({
    dataDir: folder,
    env: {
      ...{ DATABASE_URL: database.url, JWT_SECRET: '', JWT_ISSUER: 'i', JWT_AUDIENCE: 'a' },
      JWKS_URL: `http://user:open-sesame@127.0.0.1:1/keys`,
    },
  });
  const failed = () => service.logLines.find(({ event }) => event === 'issuer.failed');
  await expect.poll(failed, { timeout: 20_000 }).toBeDefined();
  expect(failed()).toMatchObject({ level: 'warn' });
  expect(failed()).not.toHaveProperty('err');
  expect(failed()?.msg).toMatch(
    /^JWKS_URL: the issuer did not give its keys, .+: tokens are answered 503 until it does$/,
  );
  expect(service.output()).not.toContain('open-sesame');
  await service.stop();
});
