import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export interface ServiceOptions {
  /** Kept over restarts, and never removed by this. */
  readonly dataDir: string;
  /** The port of an earlier start, to come back on; by default a free one. */
  readonly port?: number;
  /** Such as DATABASE_URL; by default the service runs a database of its own. */
  readonly env?: { readonly [name: string]: string };
}

export interface TokenClaims {
  readonly tenant: string;
  readonly device?: string;
  readonly scope?: string;
  /** Seconds; a token of less than none has expired. */
  readonly ttl?: number;
}

/** The service as a process of its own, which can be killed. */
export interface Service {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  token(claims: TokenClaims): string;
  /** Resolves once the process has ended. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** As an operator does: what is in flight is answered first. */
  stop(): Promise<void>;
}

const program = fileURLToPath(new URL('../../src/server.ts', import.meta.url));
const secret = 'a secret for services that tests start';
const startMs = 60_000;

const defaults = {
  NODE_ENV: 'development',
  LOG_LEVEL: 'info',
  HOST: '127.0.0.1',
  JWT_SECRET: secret,
  // Empty is unset: whatever the developer's shell has set for another service.
  DATABASE_URL: '',
  KINDS: '',
  JWKS_URL: '',
  JWT_ISSUER: '',
  JWT_AUDIENCE: '',
  JWT_TENANT_CLAIM: '',
};

/** @throws Error with the service's own output where it does not become ready */
export async function startService(options: ServiceOptions): Promise<Service> {
  const child = spawnService(options);
  const output: string[] = [];
  child.stderr?.on('data', (chunk) => output.push(String(chunk)));
  try {
    const url = await Promise.race([readUrl(child, output), failAfter(startMs)]);
    await waitUntilReady(url);
    return toService(child, url);
  } catch (error) {
    await end(child, 'SIGKILL');
    throw new Error(`the service did not start:\n${output.join('\n')}`, { cause: error });
  }
}

function spawnService({ dataDir, port = 0, env }: ServiceOptions): ChildProcess {
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, ...defaults, DATA_DIR: dataDir, PORT: String(port), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A Ctrl-C in the terminal is for the parent, which then stops the service in order.
    detached: true,
  });
  const endWithParent = () => child.kill('SIGKILL');
  process.once('exit', endWithParent);
  child.once('exit', () => process.off('exit', endWithParent));
  return child;
}

/** Reads on after that, so that a full pipe never holds the service up. */
async function readUrl(child: ChildProcess, output: string[]): Promise<string> {
  if (!child.stdout) throw new Error('no output to read');
  const lines = createInterface({ input: child.stdout });
  const found = Promise.withResolvers<string>();
  lines.on('line', (line) => {
    output.splice(0, output.length - 200, line);
    if (line.includes('"service.started"')) found.resolve(JSON.parse(line).url);
  });
  lines.once('close', () => found.reject(new Error('the process ended')));
  return found.promise;
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

function toService(child: ChildProcess, url: string): Service {
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid ?? 0,
    token: signToken,
    kill: (signal) => end(child, signal),
    stop: () => end(child, 'SIGTERM'),
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

function signToken({ tenant, device = 'laptop', scope, ttl = 3600 }: TokenClaims): string {
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
