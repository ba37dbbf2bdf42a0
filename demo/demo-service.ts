import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { stopOrphan } from '../dev/embedded-postgres/embedded-postgres.ts';
import { removeDataDir } from '../tests/testkit/postgres/data-dir.ts';
import { startService } from '../tests/testkit/processes/service-process.ts';
import { openStage, type Stage } from '../tests/testkit/processes/stage.ts';

/** The service that the demo uses, and a temporary folder for the devices. */
export interface DemoService {
  readonly folder: string;
  readonly host: string;
  readonly port: number;
  /** Where the service comes from, for people to read. */
  readonly description: string;
  token(tenant: string, device: string): Promise<string>;
  /** Undefined where the demo has not started the service itself. */
  readonly ownService?: { kill(): Promise<void>; restart(): Promise<void> };
  /** Removes the folder, and stops a service that the demo has started. */
  close(): Promise<void>;
}

/**
 * Uses the service that runs on this machine. Starts a new one where none runs.
 *
 * @param alwaysStart starts a new one in any case
 */
export async function openDemoService(alwaysStart: boolean): Promise<DemoService> {
  const stage = await openStage('demo');
  return (alwaysStart ? undefined : await findRunning(stage)) ?? startOwn(stage);
}

const root = fileURLToPath(new URL('..', import.meta.url));

async function findRunning(stage: Stage): Promise<DemoService | undefined> {
  const { HOST = '127.0.0.1', PORT: port = '3000' } = process.env;
  // A service can listen on 0.0.0.0, but a client cannot connect to it.
  const host = HOST === '0.0.0.0' ? '127.0.0.1' : HOST;
  const url = `http://${host}:${port}`;
  const isOk = (path: string, headers = {}) =>
    fetch(url + path, { headers, signal: AbortSignal.timeout(2_000) }).then(
      (answer) => answer.ok,
      () => false,
    );
  if (!(await isOk('/readyz'))) return undefined;
  // Another program may listen on the port, or a service with another secret.
  const authorization = `Bearer ${await signToken('demo', 'laptop')}`;
  if (!(await isOk('/api/sync/changes?limit=1', { authorization }))) return undefined;
  return {
    folder: stage.folder,
    host,
    port: Number(port),
    description: `the one that runs at ${url}`,
    token: signToken,
    close: () => stage.close(),
  };
}

async function signToken(tenant: string, device: string): Promise<string> {
  const script = ['--import', './dev/register.mjs', 'src/cli/token.ts'];
  const claims = ['--tenant', tenant, '--device', device];
  const command = [...script, ...claims];
  const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: root });
  return stdout.trim();
}

async function startOwn(stage: Stage): Promise<DemoService> {
  const dataDir = join(stage.folder, 'data');
  let starting = startService({ dataDir });
  stage.add({
    async stop() {
      await starting.then((service) => service.stop()).catch(() => {});
      // The database of a killed service still runs.
      await stopOrphan(dataDir).catch(() => {});
      await removeDataDir(dataDir);
    },
  });
  const { port, url } = await starting.catch(async (error: unknown) => {
    await stage.close();
    throw error;
  });
  return {
    folder: stage.folder,
    host: '127.0.0.1',
    port,
    description: `started for this demo at ${url}`,
    token: async (tenant, device) => (await starting).token({ tenant, device }),
    ownService: {
      kill: async () => (await starting).kill('SIGKILL'),
      async restart() {
        starting = startService({ dataDir, port });
        await starting;
      },
    },
    close: () => stage.close(),
  };
}
