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
  /** What it logged, parsed, of the last 10 000 lines. */
  readonly logLines: readonly Record<string, unknown>[];
  /** All that it wrote to stdout and stderr, of the last 10 000 pieces. */
  written(): string;
  token(claims: TokenClaims): string;
  /** SIGKILL, where no other signal is named. Resolves once the process has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** SIGSTOP: it answers nothing, and its connections stay open. */
  freeze(): void;
  thaw(): void;
  /** As an operator does: what is in flight is answered first. */
  stop(): Promise<void>;
  /** Its exit code, null after a signal, once it has ended and all its output is read. */
  readonly ended: Promise<number | null>;
}

/** As `npm start` has it: the database and the secret of a developer's machine. */
const register = new URL('../../dev/register.mjs', import.meta.url).href;
const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const secret = 'a secret for services that tests start';
const startMs = 60_000;
const maxPieces = 10_000;

const defaults = {
  NODE_ENV: 'development',
  LOG_LEVEL: 'info',
  HOST: '127.0.0.1',
  JWT_SECRET: secret,
  // Empty is unset: whatever the developer's shell has set for another service.
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
  // All clients of a test have one address, and none of them waits.
  RATE_LIMIT_ADDRESS: 'off',
  RATE_LIMIT_TENANT: 'off',
  RATE_LIMIT_SUBJECT: 'off',
  // A machine that runs tests is a late one.
  MAX_EVENT_LOOP_DELAY: '1h',
};

interface Output {
  /** Both streams, as it came. */
  readonly written: string[];
  readonly logLines: Record<string, unknown>[];
}

/** @throws Error with the service's own output where it does not become ready */
export async function startService(options: ServiceOptions): Promise<Service> {
  const child = spawnService(options);
  const output: Output = { written: [], logLines: [] };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => keep(output.written, String(chunk)));
  }
  try {
    const url = await Promise.race([readUrl(child, output), failAfter(startMs)]);
    await waitUntilReady(url);
    return toService(child, url, output);
  } catch (error) {
    await end(child, 'SIGKILL');
    throw new Error(`the service did not start:\n${output.written.join('')}`, { cause: error });
  }
}

function spawnService({ dataDir, port = 0, env }: ServiceOptions): ChildProcess {
  const child = spawn(process.execPath, ['--import', register, program], {
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
async function readUrl(child: ChildProcess, { logLines }: Output): Promise<string> {
  if (!child.stdout) throw new Error('no output to read');
  const lines = createInterface({ input: child.stdout });
  const found = Promise.withResolvers<string>();
  lines.on('line', (line) => {
    const logged = parse(line);
    if (!logged) return;
    keep(logLines, logged);
    if (logged.event === 'service.started') found.resolve(String(logged.url));
  });
  lines.once('close', () => found.reject(new Error('the process ended')));
  return found.promise;
}

function keep<Piece>(pieces: Piece[], piece: Piece): void {
  pieces.push(piece);
  if (pieces.length > maxPieces) pieces.shift();
}

/** Undefined for a line that is no log line, as those of the welcome. */
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

function toService(child: ChildProcess, url: string, output: Output): Service {
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid ?? 0,
    logLines: output.logLines,
    written: () => output.written.join(''),
    token: signToken,
    kill: (signal = 'SIGKILL') => end(child, signal),
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    stop() {
      child.kill('SIGCONT');
      return end(child, 'SIGTERM');
    },
    ended: new Promise((resolve) => child.once('close', resolve)),
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
