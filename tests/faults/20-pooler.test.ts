import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPool, type SchemaPool } from '../../src/postgres/client/pool.ts';
import {
  operatorScope,
  tenantScope,
  runInOneRoundTrip,
} from '../../src/postgres/client/transaction.sql.ts';
import { putNote } from '../testkit/events/sent-events.ts';
import { createPlainDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { createLogin, type TestLogin } from '../testkit/postgres/test-login.ts';
import { type Pgbouncer, startPgbouncer } from '../testkit/postgres/pgbouncer.ts';
import { type ServiceProcess, startService } from '../testkit/processes/service-process.ts';
import { withClient } from '../testkit/postgres/client.ts';

/** Fewer than the tenants that work at the same time, so that each connection serves many tenants. */
const serverConnections = 2;
const tenants = Array.from({ length: 12 }, (_, index) => `tenant-${index}`);
const rounds = 8;

let database: TestDatabase;
/** A member of landfall_service and of no other role, as docs/operations.md describes it. */
let login: TestLogin;
let pooler: Pgbouncer | undefined;
/** By the ids of the tenants. */
let numbers: ReadonlyMap<string, number>;
beforeAll(async () => {
  database = await createPlainDatabase();
  login = await createLogin(database.url, 'IN ROLE landfall_service');
  pooler = await startPgbouncer(login.url, serverConnections);
  const method = pooler
    ? `pgbouncer ${pooler.version} in transaction mode, ${serverConnections} server connections`
    : 'no pgbouncer on this machine (apt-get install pgbouncer): a pool of few connections stands in for it';
  process.stderr.write(`fault 20: ${method}\n`);
});
afterAll(async () => {
  await pooler?.stop();
  await login.drop();
  await database.drop();
});

/** Whether a connection has none of the settings of a service's transaction. */
const leftovers = `SELECT current_user = session_user AND coalesce(current_setting('landfall.tenants', true), '') = ''
    AND current_setting('statement_timeout') = '0' AND current_setting('lock_timeout') = '0'
    AND current_setting('idle_in_transaction_session_timeout') = '0'
    AND coalesce(current_setting('landfall.tenant_ids', true), '') = ''
    AND current_setting('search_path') = '"$user", public'
    AND current_setting('enable_seqscan') = 'on' AS none, pg_backend_pid() AS pid`;

describe('fault 20: a transaction pooler between the service and the database', () => {
  test('fault 20: a tenant does not see the records of the tenants that used its connection before', async () => {
    const service = await startService({ dataDir: '/none', env: settings() });
    try {
      await Promise.all(tenants.map((tenant) => workAs(service, tenant)));
      expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
    } finally {
      await service.stop();
    }
    const { rows } = await withClient(database.url, (client) =>
      client.query(`SELECT tenant_id AS tenant, count(*)::int AS events, max(version)::int AS head
        FROM landfall.event_log GROUP BY 1 ORDER BY 1`),
    );
    const each = tenants.map((tenant) => ({ tenant, events: rounds * 2, head: rounds * 2 }));
    expect(rows).toEqual(each.toSorted((a, b) => (a.tenant < b.tenant ? -1 : 1)));
    const known = await withClient(database.url, (client) =>
      client.query<{ id: string; no: number }>('SELECT id, no FROM landfall.tenants'),
    );
    numbers = new Map(known.rows.map(({ id, no }) => [id, no]));
  });

  test('fault 20: a transaction leaves no setting on a connection of the pooler', async () => {
    const pool = createPool({
      ...{ connectionString: poolerUrl(), max: pooler ? 8 : 1 },
      ...{ preparedStatements: false, onIdleError: () => {} },
    });
    try {
      const found = await Promise.all(
        Array.from({ length: 60 }, async (_, index) => {
          const seen = await countVisibleRecords(pool, tenants[index % tenants.length] ?? '');
          const { rows } = await pool.query(leftovers);
          return { ...seen, ...rows[0] };
        }),
      );
      expect(found.every(({ none, foreign }) => none && foreign === 0)).toBe(true);
      const backends = new Set(found.map(({ pid }) => pid));
      expect(backends.size).toBeLessThanOrEqual(serverConnections);
    } finally {
      await pool.end();
    }
  });

  test('fault 20: a transaction that fails, or whose client disconnects, leaves no setting on its connection', async () => {
    const pool = createPool({
      ...{ connectionString: poolerUrl(), max: 1, preparedStatements: false },
      onIdleError: () => {},
    });
    try {
      const failing = runInOneRoundTrip(pool, tenantScope([numberOf('tenant-0')]), (pipeline) =>
        pipeline.query({ text: 'SELECT 1 / 0' }),
      );
      await expect(failing).rejects.toThrow('division by zero');
      expect((await pool.query(leftovers)).rows[0].none).toBe(true);
      const abandoned = new pg.Client(poolerUrl());
      await abandoned.connect();
      await abandoned.query('BEGIN');
      await abandoned.query("SELECT set_config('landfall.tenants', '{1}', true)");
      await abandoned.query("SELECT set_config('search_path', 'landfall', true)");
      await abandoned.end();
      for (let look = 0; look < 5; look += 1) {
        expect((await pool.query(leftovers)).rows[0].none).toBe(true);
      }
    } finally {
      await pool.end();
    }
  });

  test('fault 20: two tenants that alternate on one connection see only their own records', async () => {
    const pool = createPool({
      ...{ connectionString: login.url, max: 1, onIdleError: () => {} },
    });
    try {
      for (const index of Array.from({ length: 50 }).keys()) {
        const { own, foreign, pid } = await countVisibleRecords(pool, tenants[index % 2] ?? '');
        expect({ own, foreign }).toEqual({ own: rounds * 2, foreign: 0 });
        const { rows } = await pool.query(leftovers);
        expect(rows).toEqual([{ none: true, pid }]);
      }
      await expect(runInOneRoundTrip(pool, operatorScope, async () => {})).rejects.toThrow(
        /permission denied/,
      );
    } finally {
      await pool.end();
    }
  });
});

function numberOf(tenant: string): number {
  const no = numbers.get(tenant);
  if (no === undefined) throw new Error(`${tenant} has no number`);
  return no;
}

const poolerUrl = () => pooler?.url ?? login.url;

const settings = () => ({
  ...{ DATABASE_URL: poolerUrl(), DIRECT_DATABASE_URL: database.url, PREPARED_STATEMENTS: 'off' },
  // Without a pooler, the service gets a pool of its minimal size.
  ...(!pooler && { DATABASE_POOL_SIZE: '3', COMMIT_LANES: '1', READ_LANES: '1' }),
});

/** Pushes and pulls alternately. Each page must contain all that the tenant has pushed, and nothing else. */
async function workAs(service: ServiceProcess, tenant: string): Promise<void> {
  const headers = {
    authorization: `Bearer ${service.token({ tenant, scope: 'sync:push sync:pull' })}`,
    'content-type': 'application/json',
  };
  const ids: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const batch = [`${tenant}-${round}-a`, `${tenant}-${round}-b`];
    ids.push(...batch);
    const events = batch.map((id) => putNote(id, { title: tenant }));
    const pushed = await fetch(`${service.url}/api/sync/events`, {
      ...{ method: 'POST', headers, body: JSON.stringify({ events }) },
    });
    expect(pushed.status).toBe(200);
    const pulled = await fetch(`${service.url}/api/sync/changes?limit=1000`, { headers });
    const { changes } = (await pulled.json()) as {
      changes: { entityId: string; data: { title: string } }[];
    };
    expect(changes.map(({ entityId }) => entityId)).toEqual(ids);
    expect(new Set(changes.map(({ data }) => data.title))).toEqual(new Set([tenant]));
  }
  const [key] = ids;
  const history = await fetch(`${service.url}/api/sync/entities/note/${key}/events`, { headers });
  expect(((await history.json()) as { events: unknown[] }).events).toHaveLength(1);
}

/** Counts the records that a transaction of the tenant sees with a statement that does not filter by tenant. */
async function countVisibleRecords(pool: SchemaPool, tenant: string) {
  const tenantNo = numberOf(tenant);
  const { rows } = await runInOneRoundTrip(pool, tenantScope([tenantNo]), (pipeline) =>
    pipeline.query({
      name: 'seen',
      text: `SELECT count(*) FILTER (WHERE tenant_no = $1)::int AS own,
                    count(*) FILTER (WHERE tenant_no <> $1)::int AS foreign, pg_backend_pid() AS pid
               FROM records`,
      values: [tenantNo],
    }),
  );
  return rows[0] as { readonly own: number; readonly foreign: number; readonly pid: number };
}
