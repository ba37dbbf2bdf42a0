import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { type ServiceProcess, startService } from '../testkit/processes/service-process.ts';
import { startTcpProxy, type TcpProxy } from '../testkit/network/tcp-proxy.ts';
import { withClient } from '../testkit/postgres/client.ts';
import { forge, hmac, inAnHour } from './forgeries.ts';

/** A text that cannot occur by chance. */
const secretOf = (what: string) => `secret-${what}-${randomUUID()}`;

const jwtSecret = secretOf('signing');
const payload = secretOf('payload');
const tenant = secretOf('tenant');
const subject = secretOf('subject');
const key = secretOf('key');
const header = secretOf('header');
const query = secretOf('query');
const claims = { tenant, sub: subject, device: 'till-7', exp: inAnHour };
const token = forge(hmac(jwtSecret), { ...claims, scope: 'sync:push sync:pull' });
const expired = forge(hmac(jwtSecret), { ...claims, scope: 'sync:pull', exp: 1 });

let database: TestDatabase;
let proxy: TcpProxy;
let dataDir: string;
let service: ServiceProcess;
let password: string;
const answers: string[] = [];
beforeAll(async () => {
  [database, dataDir] = await Promise.all([
    createDatabase(),
    mkdtemp(join(tmpdir(), 'landfall-secrets-')),
  ]);
  proxy = await startTcpProxy(database.url);
  const url = withPassword(proxy.url);
  password = url.password;
  service = await startService({ dataDir, env: environment(url) });
});
afterAll(async () => {
  await service.stop();
  await proxy.close();
  await database.drop();
  await rm(dataDir, { recursive: true });
});

/** Adds a password if the URL has none. The embedded database accepts any password. */
function withPassword(text: string): URL {
  const url = new URL(text);
  url.password ||= secretOf('database');
  return url;
}

function environment(url: URL) {
  return {
    NODE_ENV: 'production',
    LOG_LEVEL: 'trace',
    JWT_SECRET: jwtSecret,
    DATABASE_URL: url.href,
  };
}

interface Call {
  readonly path?: string;
  readonly body?: string | object;
  readonly headers?: { readonly [name: string]: string };
}

/** Sends a request and keeps the whole answer for the later checks. */
async function call({ path = '/api/sync/changes', body, headers = {} }: Call = {}) {
  const answer = await fetch(service.url + path, {
    ...(body !== undefined && {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      ...headers,
    },
  });
  const text = await answer.text();
  answers.push(JSON.stringify([...answer.headers]), text);
  return { status: answer.status, text };
}

const event = (fields: object = {}) => ({
  identityKey: `${key}-${randomUUID()}`,
  kind: 'note.put',
  payload: { noteId: `${key}-note`, title: payload, body: payload },
  ...fields,
});
const push = (...events: object[]) => call({ path: '/api/sync/events', body: { events } });

/** The texts that only the sender and the database may know. */
const confidential = () => [payload, tenant, subject, key, header, query];
/** The texts that no answer may contain. */
const credentials = () =>
  [jwtSecret, password, token, expired].flatMap((text) => [
    text,
    Buffer.from(text).toString('base64'),
    ...text.split('.').slice(-2),
  ]);

const findSecrets = (texts: readonly string[], secrets: readonly string[]) =>
  secrets.filter((secret) => texts.some((text) => text.includes(secret)));

test('no request leaves a secret in the log, valid or not', async () => {
  expect((await push(event(), event({ kind: 'no.such' }), event({ [query]: 1 }))).status).toBe(200);
  const pulled = JSON.parse((await call()).text);
  const since = pulled.checkpoint;
  const statuses = [];
  for (const bad of [
    { path: `/api/sync/changes?since=${since}` },
    { path: `/api/sync/changes?since=${since}x` },
    { path: `/api/sync/changes?${query}=${query}` },
    { path: `/${query}/${since}?token=${token}` },
    { path: `/%${query}` },
    { path: `/api/sync/receipts?identityKey=${key}` },
    { path: `/api/sync/entities/note/${key}-note/events` },
    { path: `/api/sync/conflicts/${key}` },
    { path: `/api/sync/conflicts/${key}/resolution`, body: { resolution: payload } },
    { path: '/api/sync/events', body: `{"events":[{"${payload}"` },
    { path: '/api/sync/events', body: { events: [], [query]: payload } },
    { path: '/api/sync/events', body: payload, headers: { 'content-encoding': 'gzip' } },
    { path: '/api/sync/events', body: payload, headers: { 'content-type': `text/${header}` } },
    { headers: { authorization: `Bearer ${expired}` } },
    { headers: { authorization: `Bearer ${header}` } },
    { headers: { authorization: `Basic ${header}` } },
    { headers: { cookie: header, 'x-api-key': header, traceparent: header, 'user-agent': header } },
  ]) {
    statuses.push((await call(bad)).status);
  }
  expect(Math.max(...statuses)).toBeLessThan(500);
  expect(findSecrets([service.output()], [...confidential(), since])).toEqual([]);
});

describe('a failure of the database', () => {
  /** Waits for the `error` lines of the failure. Without them, the check for secrets would prove nothing. */
  async function expectFailures(atLeast: number, work: () => Promise<unknown>): Promise<void> {
    const before = service.logLines.length;
    await work();
    const failures = () => service.logLines.slice(before).filter(({ level }) => level === 'error');
    await expect.poll(() => failures().length).toBeGreaterThanOrEqual(atLeast);
  }

  test.each([
    [
      'that quotes the row',
      `ALTER TABLE events ADD CONSTRAINT failing CHECK (false) NOT VALID`,
      `ALTER TABLE events DROP CONSTRAINT failing`,
    ],
    [
      'that quotes the statement',
      'ALTER TABLE records RENAME TO away',
      'ALTER TABLE away RENAME TO records',
    ],
  ])('%s leaves no secret in the log', async (_what, begin, end) => {
    const run = (sql: string) => withClient(database.url, (client) => client.query(sql));
    await run(begin);
    await expectFailures(2, async () => {
      for (const { status } of [await push(event()), await push(event())]) {
        expect(status).toBeGreaterThanOrEqual(500);
      }
      await call();
    });
    await run(end);
    expect(findSecrets([service.output()], confidential())).toEqual([]);
  });

  test('that loses the answer to COMMIT leaves no secret in the log', async () => {
    await expectFailures(1, async () => {
      const lost = proxy.loseAnswerTo('COMMIT');
      expect((await push(event())).text).toContain('COMMIT_UNKNOWN');
      await lost;
    });
    expect(findSecrets([service.output()], confidential())).toEqual([]);
  });

  test('that cannot be reached leaves no secret in the log', async () => {
    proxy.refuseConnections();
    await expectFailures(2, async () => {
      for (const { status } of [
        await push(event()),
        await call(),
        await call({ path: '/readyz' }),
      ]) {
        expect(status).toBe(503);
      }
    });
    proxy.acceptConnections();
    expect(findSecrets([service.output()], confidential())).toEqual([]);
  });
});

test('no log line and no answer contains a credential', () => {
  expect(service.output()).toContain('"request.failed"');
  expect(service.output()).toContain('"level":"debug"');
  expect(findSecrets([service.output(), ...answers], credentials())).toEqual([]);
});

test('a refusal shows no internals of the service', () => {
  const problems = answers.filter((text) => text.startsWith('{"type":'));
  expect(problems.length).toBeGreaterThan(15);
  expect(
    findSecrets(problems, ['node_modules', dataDir, 'src/', 'SELECT', 'records', '23514']),
  ).toEqual([]);
});

describe('bad input: a secret shorter than 32 bytes', () => {
  test('the service refuses to start, and its message does not show the secret', async () => {
    const short = 'only-31-bytes-are-far-too-short';
    const env = { ...environment(withPassword(proxy.url)), JWT_SECRET: short };
    const refusal = await refusalOf(env);
    expect(refusal).toMatch(/JWT_SECRET: must be at least 32 bytes/);
    expect(refusal).not.toContain(short);
  });
});

test.each<[what: string, change: (url: URL) => NodeJS.ProcessEnv]>([
  [
    'a URL of another database system',
    ({ href }) => ({ DATABASE_URL: href.replace(/^\w+/, 'mysql') }),
  ],
  [
    'a password that is not percent-encoded',
    ({ href }) => ({ DATABASE_URL: href.replace('@', '/@') }),
  ],
  [
    'a port without a database',
    (url) => ({ DATABASE_URL: Object.assign(url, { port: '1' }).href }),
  ],
  [
    'a database that does not exist',
    (url) => ({ DATABASE_URL: Object.assign(url, { pathname: '/none' }).href }),
  ],
  ['an invalid issuer URL', () => ({ JWKS_URL: `ftp://user:${header}@127.0.0.1/keys` })],
  ['a file of kinds that does not exist', () => ({ KINDS: './none.ts' })],
])('a service that does not start because of %s shows no secret', async (_what, change) => {
  const url = withPassword(proxy.url);
  const secrets = [...credentials(), url.password, header];
  const refusal = await refusalOf({ ...environment(url), ...change(url) });
  expect(findSecrets([refusal], secrets)).toEqual([]);
});

/** The output of a service that must not start. */
async function refusalOf(env: NodeJS.ProcessEnv): Promise<string> {
  const started = startService({ dataDir, env: env as { [name: string]: string } });
  return started.then(
    async (running) => {
      await running.kill();
      throw new Error('the service started');
    },
    (error: Error) => error.message,
  );
}
