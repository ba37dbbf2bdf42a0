import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { migrationNames } from '../../src/postgres/migrate/migrate.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { type ServiceProcess, startService } from '../testkit/processes/service-process.ts';
import { startTcpProxy, type TcpProxy } from '../testkit/network/tcp-proxy.ts';
import { withClient } from '../testkit/postgres/client.ts';
import { putNote } from '../testkit/events/sent-events.ts';

let database: TestDatabase;
/** Between the service and its database. */
let proxy: TcpProxy;
let service: ServiceProcess;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  proxy = await startTcpProxy(database.url);
  const env = {
    DATABASE_URL: proxy.url,
    DIRECT_DATABASE_URL: database.url,
    ...{ DATABASE_POOL_SIZE: '5', COMMIT_LANES: '1', READ_LANES: '3' },
  };
  service = await startService({ dataDir: '/none', env });
});
afterEach(async () => {
  await service.kill('SIGKILL');
  await proxy.close();
});

async function readyz(): Promise<{ status: number; checks: Record<string, boolean> }> {
  // A bound for what hangs: it is to answer within four seconds, which a busy machine may stretch.
  const signal = AbortSignal.timeout(20_000);
  const answer = await fetch(`${service.url}/readyz`, { signal });
  const { checks } = (await answer.json()) as { checks: Record<string, boolean> };
  return { status: answer.status, checks };
}

const ready = { status: 200, checks: { database: true, migrations: true, accepting: true } };
const away = { status: 503, checks: { database: false, migrations: false, accepting: true } };
const unmigrated = { status: 503, checks: { database: true, migrations: false, accepting: true } };

const sql = (text: string) => withClient(database.url, (client) => client.query(text));

/** Those that wait for a lock. */
const blocked = `SELECT FROM pg_stat_activity
  WHERE datname = current_database() AND wait_event_type = 'Lock'`;

const authorization = () => `Bearer ${service.token({ tenant: 't1' })}`;
const push = () =>
  fetch(`${service.url}/api/sync/events`, {
    method: 'POST',
    headers: { authorization: authorization(), 'content-type': 'application/json' },
    body: JSON.stringify({ events: [putNote('n1')] }),
    signal: AbortSignal.timeout(40_000),
  });
const pull = () =>
  fetch(`${service.url}/api/sync/changes`, {
    headers: { authorization: authorization() },
    signal: AbortSignal.timeout(40_000),
  });
const history = () =>
  fetch(`${service.url}/api/sync/entities/note/n1/events`, {
    headers: { authorization: authorization() },
    signal: AbortSignal.timeout(40_000),
  });

/** What was lost in the hole is lost: its connections are of no more use to anybody. */
function endBlackHole(): void {
  proxy.resetConnections();
  proxy.resumeTraffic();
}

describe('/readyz', () => {
  test('is 503 where the database is away, and 200 once it is back', async () => {
    expect(await readyz()).toEqual(ready);
    proxy.refuseConnections();
    expect(await readyz()).toEqual(away);
    expect((await fetch(`${service.url}/livez`)).status).toBe(200);
    proxy.acceptConnections();
    expect(await readyz()).toEqual(ready);
  });

  test('answers 503 also where the database hangs, however many ask at once, and 200 once it goes on', async () => {
    expect(await readyz()).toEqual(ready);
    proxy.pauseTraffic();
    const before = proxy.openConnections();
    const answers = await Promise.all(Array.from({ length: 50 }, readyz));
    expect(answers).toEqual(answers.map(() => away));
    // One looks for all of them.
    expect(proxy.openConnections() - before).toBeLessThanOrEqual(1);
    endBlackHole();
    expect(await readyz()).toEqual(ready);
  });

  test('is 200 while all the connections that reads may have are taken', async () => {
    await pull();
    const found = await withClient(database.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE tenants IN ACCESS EXCLUSIVE MODE');
      const waiting = [pull(), pull(), pull(), pull()];
      await expect.poll(async () => (await sql(blocked)).rows).toHaveLength(3);
      const during = await readyz();
      await client.query('COMMIT');
      await Promise.all(waiting);
      return during;
    });
    expect(found).toEqual(ready);
  });

  test('is 503 while a migration is missing, and where there are none at all', async () => {
    const [first = ''] = await migrationNames();
    const { rows } = await sql(`SELECT checksum FROM migrations WHERE name = '${first}'`);
    for (const [undo, redo] of [
      [
        `DELETE FROM migrations WHERE name = '${first}'`,
        `INSERT INTO migrations (name, checksum) VALUES ('${first}', '${rows[0].checksum}')`,
      ],
      [
        'ALTER TABLE migrations RENAME TO elsewhere',
        'ALTER TABLE landfall.elsewhere RENAME TO migrations',
      ],
      ['ALTER SCHEMA landfall RENAME TO elsewhere', 'ALTER SCHEMA elsewhere RENAME TO landfall'],
      [
        'REVOKE SELECT ON migrations FROM landfall_service',
        'GRANT SELECT ON migrations TO landfall_service',
      ],
      [
        'REVOKE USAGE ON SCHEMA landfall FROM landfall_service',
        'GRANT USAGE ON SCHEMA landfall TO landfall_service',
      ],
    ] as const) {
      await sql(undo);
      expect({ undo, ...(await readyz()) }).toEqual({ undo, ...unmigrated });
      await sql(redo);
      expect({ redo, ...(await readyz()) }).toEqual({ redo, ...ready });
    }
  });
});

describe('a black hole between the service and the database', () => {
  test.each([
    ['a push', push],
    ['a pull', pull],
    ['a history', history],
  ])('%s ends in a 503, and all connections serve again afterwards', async (_what, request) => {
    expect((await request()).status).toBe(200);
    proxy.pauseTraffic();
    const answers = await Promise.all(Array.from({ length: 6 }, request));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 503));
    endBlackHole();
    const again = await Promise.all(Array.from({ length: 12 }, request));
    expect(again.map(({ status }) => status)).toEqual(again.map(() => 200));
    // Three that serve, and the one that looks.
    expect(proxy.openConnections()).toBeLessThanOrEqual(4);
  });
});
