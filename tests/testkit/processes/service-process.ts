import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { endProcess } from './child-process.ts';

export interface ServiceProcessOptions {
  /** The caller's folder, which may serve several starts. */
  readonly dataDir: string;
  /** The port on which an earlier process listened; by default a free one. */
  readonly port?: number;
  /** Settings such as DATABASE_URL. Without that, the service starts a database of its own. */
  readonly env?: { readonly [name: string]: string };
}

/** The claims of a token that a service process accepts. */
export interface TokenOptions {
  readonly tenant: string;
  readonly device?: string;
  readonly scope?: string;
  /** Seconds until the token expires; a negative number for a token that has expired. */
  readonly ttl?: number;
}

/** The service in a process of its own, which a test can kill. */
export interface ServiceProcess {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** The last 10 000 log lines, parsed. */
  readonly logLines: readonly Record<string, unknown>[];
  /** What it wrote to stdout and stderr: the last 10 000 chunks. */
  output(): string;
  token(claims: TokenOptions): string;
  /** Sends SIGKILL or the given signal. Resolves once the process has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Sends SIGSTOP: the process answers nothing, and its connections stay open. */
  freeze(): void;
  thaw(): void;
  /** Sends SIGTERM: the service answers the requests in flight and ends. */
  stop(): Promise<void>;
  /** Resolves with the exit code, or null after a signal, once the process has ended and its output is read. */
  readonly ended: Promise<number | null>;
}

/** As in `npm start`: starts a database and makes a secret where the settings name none. */
const register = new URL('../../../dev/register.mjs', import.meta.url).href;
const program = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const secret = 'a secret for services that tests start';
const startMs = 60_000;
const maxKept = 10_000;

const defaults = {
  NODE_ENV: 'development',
  LOG_LEVEL: 'info',
  HOST: '127.0.0.1',
  JWT_SECRET: secret,
  // An empty variable counts as unset. The developer's shell may have set these for another service.
  DATABASE_URL: '',
  DIRECT_DATABASE_URL: '',
  PREPARED_STATEMENTS: '',
  KINDS: '',
  JWKS_URL: '',
  JWT_ISSUER: '',
  JWT_AUDIENCE: '',
  JWT_TENANT_CLAIM: '',
  JWT_DEVICE_CLAIM: '',
  JWT_SUBJECT_CLAIM: '',
  JWT_SCOPE_CLAIM: '',
  JWT_DEFAULT_SCOPES: '',
  // All clients of a test share one address, and do not wait before they retry.
  RATE_LIMIT_ADDRESS: 'off',
  RATE_LIMIT_TENANT: 'off',
  RATE_LIMIT_SUBJECT: 'off',
  // Tests that run at the same time delay the service's event loop.
  MAX_EVENT_LOOP_DELAY: '1h',
};

interface Output {
  /** The chunks of both streams, in the order of arrival. */
  readonly chunks: string[];
  readonly logLines: Record<string, unknown>[];
}

/** Resolves once the service is ready. @throws Error with the service's output where it does not become ready */
export async function startService(options: ServiceProcessOptions): Promise<ServiceProcess> {
  const child = spawnService(options);
  const output: Output = { chunks: [], logLines: [] };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => keepLast(output.chunks, String(chunk)));
  }
  try {
    const url = await Promise.race([readUrl(child, output), failAfter(startMs)]);
    await waitUntilReady(url);
    return toService(child, url, output);
  } catch (error) {
    await endProcess(child, 'SIGKILL');
    throw new Error(`the service did not start:\n${output.chunks.join('')}`, { cause: error });
  }
}

function spawnService({ dataDir, port = 0, env }: ServiceProcessOptions): ChildProcess {
  const child = spawn(process.execPath, ['--import', register, program], {
    env: { ...process.env, ...defaults, DATA_DIR: dataDir, PORT: String(port), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own: Ctrl-C in the terminal reaches the parent only, which then stops the service.
    detached: true,
  });
  const endWithParent = () => child.kill('SIGKILL');
  process.once('exit', endWithParent);
  child.once('exit', () => process.off('exit', endWithParent));
  return child;
}

/** Reads the output to its end, also after it has found the URL, as a full pipe would block the service. */
async function readUrl(child: ChildProcess, { logLines }: Output): Promise<string> {
  if (!child.stdout) throw new Error('no output to read');
  const lines = createInterface({ input: child.stdout });
  const found = Promise.withResolvers<string>();
  lines.on('line', (line) => {
    const logged = parse(line);
    if (!logged) return;
    keepLast(logLines, logged);
    if (logged.event === 'service.started') found.resolve(String(logged.url));
  });
  lines.once('close', () => found.reject(new Error('the process ended')));
  return found.promise;
}

function keepLast<Item>(items: Item[], item: Item): void {
  items.push(item);
  if (items.length > maxKept) items.shift();
}

/** Undefined for a line that is not a log line, such as the development welcome. */
function parse(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

async function failAfter(milliseconds: number): Promise<never> {
  await sleep(milliseconds, undefined, { ref: false });
  throw new Error(`not ready within ${milliseconds} ms`);
}

async function waitUntilReady(url: string): Promise<void> {
  const deadline = Date.now() + startMs;
  while (Date.now() < deadline) {
    const status = await fetch(`${url}/readyz`).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status === 200) return;
    await sleep(20);
  }
  throw new Error(`${url}/readyz did not answer 200`);
}

function toService(child: ChildProcess, url: string, output: Output): ServiceProcess {
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid ?? 0,
    logLines: output.logLines,
    output: () => output.chunks.join(''),
    token: signToken,
    kill: (signal = 'SIGKILL') => endProcess(child, signal),
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    stop() {
      child.kill('SIGCONT');
      return endProcess(child, 'SIGTERM');
    },
    ended: new Promise((resolve) => child.once('close', resolve)),
  };
}

function signToken({ tenant, device = 'laptop', scope, ttl = 3600 }: TokenOptions): string {
  const signed = [
    { alg: 'HS256', typ: 'JWT' },
    {
      tenant,
      device,
      sub: `user of ${device}`,
      scope: scope ?? 'sync:push sync:pull',
      exp: Math.floor(Date.now() / 1000) + ttl,
    },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
