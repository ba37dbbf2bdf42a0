import { execFile } from 'node:child_process';
import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { stopOrphan } from '../dev/embedded-postgres/embedded-postgres.ts';
import { startService } from '../tests/testkit/service.ts';

/** Where the demo plays: a service, and a folder for everything that goes away afterwards. */
export interface Stage {
  readonly folder: string;
  readonly host: string;
  readonly port: number;
  readonly about: string;
  token(tenant: string, device: string): Promise<string>;
  /** Only where the demo runs the service itself. */
  readonly own?: { kill(): Promise<void>; restart(): Promise<void> };
  clear(): Promise<void>;
}

/** The service that runs here already or, where none does or `alone` is set, one of its own. */
export async function openStage(alone: boolean): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'landfall-demo-'));
  // Under root, the service's database runs as nobody, who has to get in.
  await chmod(folder, 0o755);
  return (alone ? undefined : await findRunning(folder)) ?? startOwn(folder);
}

const root = fileURLToPath(new URL('..', import.meta.url));

async function findRunning(folder: string): Promise<Stage | undefined> {
  const { HOST = '127.0.0.1', PORT: port = '3000' } = process.env;
  // To listen on every address is not one to call.
  const host = HOST === '0.0.0.0' ? '127.0.0.1' : HOST;
  const url = `http://${host}:${port}`;
  const call = (path: string, headers = {}) =>
    fetch(url + path, { headers, signal: AbortSignal.timeout(2_000) }).then(
      (answer) => answer.ok,
      () => false,
    );
  if (!(await call('/readyz'))) return undefined;
  // Ready, but is it Landfall, and does it take the tokens of this folder?
  const authorization = `Bearer ${await signToken('demo', 'laptop')}`;
  if (!(await call('/api/sync/changes?limit=1', { authorization }))) return undefined;
  return {
    folder,
    host,
    port: Number(port),
    about: `the one that runs at ${url}`,
    token: signToken,
    clear: () => rm(folder, { recursive: true, force: true }),
  };
}

async function signToken(tenant: string, device: string): Promise<string> {
  const command = [
    '--import',
    './dev/register.mjs',
    'src/cli/token.ts',
    '--tenant',
    tenant,
    '--device',
    device,
  ];
  const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: root });
  return stdout.trim();
}

async function startOwn(folder: string): Promise<Stage> {
  const dataDir = join(folder, 'data');
  let starting = startService({ dataDir });
  const clear = async () => {
    await starting.then((service) => service.stop()).catch(() => {});
    // Where the service was killed, its database lives on.
    await stopOrphan(dataDir).catch(() => {});
    const home = await realpath(join(dataDir, 'pg')).then(dirname, () => dataDir);
    for (const path of [home, folder]) await rm(path, { recursive: true, force: true });
  };
  const { port, url } = await starting.catch(async (error: unknown) => {
    await clear();
    throw error;
  });
  return {
    folder,
    host: '127.0.0.1',
    port,
    about: `started for this demo at ${url}`,
    token: async (tenant, device) => (await starting).token({ tenant, device }),
    own: {
      kill: async () => (await starting).kill('SIGKILL'),
      async restart() {
        starting = startService({ dataDir, port });
        await starting;
      },
    },
    clear,
  };
}
