import { type ChildProcess, spawn } from 'node:child_process';

import { open, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { endProcess } from '../../tests/testkit/processes/child-process.ts';

export interface LandfallOptions {
  readonly databaseUrl: string;
  readonly secret: string;
  /** Where the log goes, as with an operator who redirects it. */
  readonly logFile: string;
  /** Where to write a CPU profile of the service when it stops. */
  readonly profileFolder: string | undefined;
  /** Settings that a scenario is about, over the benchmark's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where the service's process writes the most that its heap has come to: see servers/heap-watch.ts. */
  readonly heapFile?: string;
}

export interface Landfall {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** As `npm start` and the image have them. */
const flags = ['--max-semi-space-size=32', '--heap-growing-percent=150'];
const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const heapWatch = new URL('../servers/heap-watch.ts', import.meta.url).href;
const startMs = 60_000;

/** The service itself, with production's defaults. @throws Error with its log where it does not start */
export async function startLandfall(options: LandfallOptions): Promise<Landfall> {
  const { databaseUrl, secret, logFile, profileFolder, env, heapFile } = options;
  const log = await open(logFile, 'w');
  const profile = profileFolder ? ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`] : [];
  const watch = heapFile === undefined ? [] : ['--import', heapWatch];
  const child = spawn(process.execPath, [...flags, ...profile, ...watch, program], {
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      LOG_LEVEL: 'info',
      HOST: '127.0.0.1',
      PORT: '0',
      DATABASE_URL: databaseUrl,
      JWT_SECRET: secret,
      // All of the load has one address, and there is no balancer to wait for.
      ...{ RATE_LIMIT_ADDRESS: 'off', RATE_LIMIT_TENANT: 'off', RATE_LIMIT_SUBJECT: 'off' },
      SHUTDOWN_DELAY: '0s',
      // Under npm the service watches its parent and ends with it.
      npm_lifecycle_event: 'bench',
      ...(heapFile !== undefined && { BENCH_HEAP_FILE: heapFile }),
      ...env,
    },
    stdio: ['ignore', log.fd, log.fd],
    detached: true,
  });
  await log.close();
  return {
    url: await findUrl(child, logFile),
    pid: child.pid ?? 0,
    stop: () => endProcess(child, 'SIGTERM'),
  };
}

async function findUrl(child: ChildProcess, logFile: string): Promise<string> {
  const deadline = performance.now() + startMs;
  while (performance.now() < deadline && child.exitCode === null) {
    const lines = (await readFile(logFile, 'utf8')).split('\n');
    const started = lines.find((line) => line.includes('"service.started"'));
    if (started) return JSON.parse(started).url;
    await sleep(20);
  }
  await endProcess(child, 'SIGTERM');
  throw new Error(`the service did not start:\n${await readFile(logFile, 'utf8')}`);
}
