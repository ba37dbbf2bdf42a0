import { bundledKinds } from '../../../src/systems/bundled.ts';
import type { FastifyInstance } from 'fastify';
import type { OutgoingHttpHeaders } from 'node:http';
import pg from 'pg';
import { buildApp } from '../../../src/app.ts';
import { type Config, loadConfig } from '../../../src/config/config.ts';
import { createRegistry } from '../../../src/domain/kinds/registry.ts';
import type { Kind } from '../../../src/domain/kinds/define-kind.ts';
import { createLogger } from '../../../src/observability/logger.ts';
import type { PullAnswer } from '../../../src/protocol/pull.ts';
import type { PushAnswer } from '../../../src/protocol/push.ts';
import { type Database, openDatabase } from '../../../src/postgres/database.ts';
import { allScopes, issueToken } from '../../../src/http/auth/issue-token.ts';
import { createDatabase, type TestDatabase } from '../postgres/test-database.ts';

export interface TestAppOptions {
  /** Environment variables that replace those of every test. */
  readonly env?: NodeJS.ProcessEnv;
  readonly kinds?: readonly Kind[];
  /** The database of another app, where two apps share one. The app then does not drop it. */
  readonly database?: TestDatabase;
  /** Changes the stores that the app gets, such as to make one of them wait. */
  readonly wrapDatabase?: (opened: Database) => Database;
}

/** The claims of the token with which a request is sent. */
export interface Sender {
  readonly tenant?: string;
  /** Null for a token without a device. */
  readonly device?: string | null;
  readonly subject?: string;
  readonly scope?: string;
}

/** The app of this process with a database of its own. Requests are injected, without a socket. */
export interface TestApp {
  readonly app: FastifyInstance;
  readonly database: TestDatabase;
  readonly config: Config;
  /** All lines that the app has logged, parsed. */
  readonly logLines: readonly Record<string, unknown>[];
  token(sender?: Sender): string;
  /** Sends any request. The answer's body is parsed where it is JSON. */
  request(options: TestRequest): Promise<TestAnswer>;
  /** Pushes with `?include=results`. @throws Error unless the status is 200 */
  push(events: readonly unknown[], envelope?: object, sender?: Sender): Promise<PushAnswer>;
  /** Pulls one page. @throws Error unless the status is 200 */
  pull(query?: PullParameters, sender?: Sender): Promise<PullAnswer>;
  /** Runs a statement on the database directly, as a role that sees every tenant. */
  readonly sql: <Row extends pg.QueryResultRow>(
    text: string,
    values?: readonly unknown[],
  ) => Promise<Row[]>;
  /** Stops the app and drops its database, unless the database is another app's. */
  close(): Promise<void>;
}

export interface TestRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer | object;
  readonly sender?: Sender;
}

export interface TestAnswer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  // Each test checks the type of what it reads.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

export interface PullParameters {
  readonly since?: string;
  readonly epoch?: string;
  readonly limit?: number;
  readonly entityTypes?: string;
}

const secret = 'a secret for tests, at least 32 bytes';

const defaults = {
  NODE_ENV: 'test',
  JWT_SECRET: secret,
  // The tests run in the same event loop and delay it.
  MAX_EVENT_LOOP_DELAY: '1h',
};

export async function startApp(options: TestAppOptions = {}): Promise<TestApp> {
  const database = options.database ?? (await createDatabase());
  const env = { ...defaults, ...options.env };
  const config = loadConfig(env, () => secret);
  const logLines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void logLines.push(JSON.parse(line)) };
  const logger = createLogger({ level: 'debug', pretty: false, destination });
  const { wrapDatabase = (unchanged: Database) => unchanged } = options;
  const opened = wrapDatabase(
    await openDatabase({
      connectionString: database.url,
      poolSize: config.databasePoolSize,
      maxGroupTenants: config.maxGroupTenants,
      hooks: { onMigrated: () => {}, onIdleError: () => {}, onRetry: () => {} },
    }),
  );
  const direct = new pg.Pool({ connectionString: database.url, max: 2 });
  // Dropping the database breaks connections that are just closing. Without a listener, the pool's error
  // would fail the test that runs then.
  direct.on('error', () => {});
  const app = await buildApp({
    config,
    logger,
    stores: opened,
    keys: opened.keys,
    kinds: createRegistry(options.kinds ?? bundledKinds),
    readiness: async () => ({ ready: true, checks: await opened.check() }),
  });

  const token = ({
    tenant = 't1',
    device = 'd1',
    subject = 'user',
    scope = allScopes,
  }: Sender = {}) => issueToken(config.auth, { tenant, device, subject, scope, ttlMs: 600_000 });

  async function request({ method = 'GET', url, headers, body, sender }: TestRequest) {
    const answer = await app.inject({
      method,
      url,
      headers: {
        authorization: headers?.authorization ?? `Bearer ${token(sender)}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { payload: body }),
    });
    const text = answer.body;
    const isJson = /json/.test(String(answer.headers['content-type']));
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: isJson && text !== '' ? JSON.parse(text) : text,
    };
  }

  return {
    app,
    database,
    config,
    logLines,
    token,
    request,
    async push(events, envelope = {}, sender) {
      const url = '/api/sync/events?include=results';
      const body = { ...envelope, events };
      return mustBeOk(await request({ method: 'POST', url, body, ...(sender && { sender }) }));
    },
    async pull(query = {}, sender) {
      const entries = Object.entries(query).map(([name, value]): [string, string] => [
        name,
        String(value),
      ]);
      const url = `/api/sync/changes?${new URLSearchParams(entries).toString()}`;
      return mustBeOk(await request({ url, ...(sender && { sender }) }));
    },
    async sql<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) {
      const { rows } = await direct.query<Row>(text, [...values]);
      return rows;
    },
    async close() {
      await app.close();
      await opened.close();
      await direct.end();
      if (!options.database) await database.drop();
    },
  };
}

function mustBeOk(answer: TestAnswer) {
  if (answer.status !== 200) {
    throw new Error(`answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  }
  return answer.body;
}
