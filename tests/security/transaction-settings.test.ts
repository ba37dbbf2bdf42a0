import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPool, type SchemaPool } from '../../src/postgres/client/pool.ts';
import {
  operatorScope,
  searchScope,
  tenantIdScope,
  tenantScope,
  runInOneRoundTrip,
  runInTransaction,
  type TransactionScope,
} from '../../src/postgres/client/transaction.sql.ts';
import { createPrisma, readInTenantScope } from '../../src/postgres/audit/prisma.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';

const settings = [
  'role',
  'landfall.tenants',
  'landfall.tenant_ids',
  'search_path',
  'lock_timeout',
  'statement_timeout',
  'idle_in_transaction_session_timeout',
  'transaction_timeout',
  'enable_seqscan',
  'enable_bitmapscan',
  'enable_hashjoin',
  'enable_mergejoin',
  'plan_cache_mode',
];
const read = `SELECT name, current_setting(name, true) AS value
  FROM unnest('{${settings.join(',')}}'::text[]) AS name`;
type Setting = { readonly name: string; readonly value: string | null };

const toObject = (rows: readonly Setting[]) =>
  Object.fromEntries(rows.map(({ name, value }) => [name, value]));

let database: TestDatabase;
let pool: SchemaPool;
/** In milliseconds. NaN before PostgreSQL 17, which introduced the setting. */
let transactionTimeout: number;
beforeAll(async () => {
  database = await createDatabase();
  pool = createPool({ connectionString: database.url, max: 1, onIdleError: () => {} });
  const { rows } = await pool.query('SHOW server_version_num');
  transactionTimeout = Number(rows[0].server_version_num) >= 170_000 ? 10_000 : Number.NaN;
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const outside = async () => toObject((await pool.query<Setting>(read)).rows);
const inside = (scope = tenantScope([1])) =>
  runInOneRoundTrip(pool, scope, async (trip) =>
    toObject((await trip.query<Setting>({ text: read })).rows),
  );

/** @returns milliseconds */
const toMs = (value: string | null | undefined) =>
  Number.parseInt(value ?? '', 10) * (value?.endsWith('ms') ? 1 : 1_000);

test('each timeout of a transaction is shorter than the next one', async () => {
  const set = await inside();
  expect(toMs(set.lock_timeout)).toBe(2_000);
  expect(toMs(set.statement_timeout)).toBe(5_000);
  expect(toMs(set.idle_in_transaction_session_timeout)).toBe(5_000);
  expect(toMs(set.transaction_timeout)).toBe(transactionTimeout);
  // The timeouts of the driver are longer than these, and shorter than the deadline of a request, 20 s.
  const { options } = pool as unknown as {
    options: { query_timeout: number; connectionTimeoutMillis: number };
  };
  expect(options.query_timeout).toBeGreaterThan(10_000);
  expect(options.query_timeout + options.connectionTimeoutMillis).toBeLessThan(20_000);
});

test('a transaction has its role, its tenants and its schema', async () => {
  expect(await inside(tenantScope([1, 22]))).toMatchObject({
    role: 'landfall_service',
    'landfall.tenants': '{1,22}',
    'landfall.tenant_ids': '{}',
    search_path: 'landfall, pg_temp',
    enable_seqscan: 'off',
    enable_bitmapscan: 'off',
    plan_cache_mode: 'force_generic_plan',
  });
  expect(await inside(tenantIdScope(['t1', 'a "b", {c}']))).toMatchObject({
    role: 'landfall_service',
    'landfall.tenants': '{}',
    'landfall.tenant_ids': '{t1,"a \\"b\\", {c}"}',
    search_path: 'landfall, pg_temp',
    plan_cache_mode: 'force_generic_plan',
  });
  expect(await inside(searchScope(1))).toMatchObject({
    role: 'landfall_service',
    'landfall.tenants': '{1}',
    'landfall.tenant_ids': '{}',
    search_path: 'landfall, pg_temp',
    enable_bitmapscan: 'on',
    plan_cache_mode: 'force_custom_plan',
  });
  expect(await inside(operatorScope)).toMatchObject({
    role: 'landfall_operator',
    'landfall.tenants': '{}',
    'landfall.tenant_ids': '{}',
    search_path: 'landfall, pg_temp',
  });
});

describe('where each transaction is of one tenant', () => {
  let oneTenantPool: SchemaPool;
  beforeAll(() => {
    const { url: connectionString } = database;
    oneTenantPool = createPool({ connectionString, max: 1, form: 'one', onIdleError: () => {} });
  });
  afterAll(() => oneTenantPool.end());

  const settingOf = async (name: string, scope: TransactionScope) => {
    const { rows } = await runInOneRoundTrip(oneTenantPool, scope, (trip) =>
      trip.query({ text: `SELECT current_setting('${name}')::text[] AS found` }),
    );
    return rows[0]?.found;
  };

  test('the number of the tenant is passed on as it is', async () => {
    expect(await settingOf('landfall.tenants', tenantScope([7]))).toEqual(['7']);
  });

  test.each(['a,b', '{t2}', '"t2"', "t'2", '\\', 'NULL', '', ' t ', 't1\nt2', "'; RESET ROLE; --"])(
    'the id %j is passed on as it is',
    async (id) => expect(await settingOf('landfall.tenant_ids', tenantIdScope([id]))).toEqual([id]),
  );

  test('a transaction that names two tenants is not begun', async () => {
    let isSent = false;
    const failing = runInOneRoundTrip(oneTenantPool, tenantScope([1, 2]), async (trip) => {
      isSent = true;
      await trip.query({ text: 'SELECT 1' });
    });
    await expect(failing).rejects.toThrow('names several');
    expect(isSent).toBe(false);
  });
});

test('a table of a session does not hide a table of the service', async () => {
  const client = await pool.connect();
  try {
    await client.query("CREATE TEMPORARY TABLE tenants AS SELECT 'temporary' AS id");
    await client.query('GRANT SELECT ON pg_temp.tenants TO PUBLIC');
    const found = runInTransaction(client, tenantScope([1]), pool, () =>
      client.query('SELECT id FROM tenants'),
    );
    expect((await found).rows).toEqual([]);
  } finally {
    client.release(true);
  }
});

describe('a pooled connection keeps no setting of a transaction', () => {
  let before: Record<string, string | null>;
  beforeAll(async () => {
    before = {
      ...{ ...(await outside()), role: 'none' },
      ...{ 'landfall.tenants': '', 'landfall.tenant_ids': '' },
    };
  });

  test('that commits', async () => {
    await inside();
    expect(await outside()).toEqual(before);
  });

  test('that fails', async () => {
    const failing = runInOneRoundTrip(pool, tenantScope([1]), (trip) =>
      trip.query({ text: 'SELECT 1 / 0' }),
    );
    await expect(failing).rejects.toThrow('division by zero');
    expect(await outside()).toEqual(before);
  });

  test('that is rolled back', async () => {
    const client = await pool.connect();
    const work = runInTransaction(client, operatorScope, pool, async () => {
      expect(toObject((await client.query<Setting>(read)).rows).role).toBe('landfall_operator');
      throw new Error('rolled back');
    });
    await expect(work).rejects.toThrow('rolled back');
    client.release();
    expect(await outside()).toEqual(before);
  });

  test('of Prisma', async () => {
    const prisma = createPrisma(pool);
    const scope = { tenantNo: 1, tables: pool };
    expect(await readInTenantScope(prisma, scope, ({ tenant }) => tenant.findMany())).toEqual([]);
    expect(await outside()).toEqual(before);
  });
});

test('if the role cannot be taken, no statement runs, and the connection is clean', async () => {
  const scope = {
    ...tenantScope([1]),
    role: 'landfall_nobody',
  } as unknown as typeof operatorScope;
  const failing = runInOneRoundTrip(pool, scope, (trip) =>
    trip.query({ text: "INSERT INTO tenants (no, id) VALUES (1, 'by the login')" }),
  );
  await expect(failing).rejects.toThrow('landfall_nobody');
  expect((await pool.query('SELECT FROM tenants')).rows).toEqual([]);
  expect((await outside()).role).toBe('none');
});

test('Prisma reads only rows of the tenant, also without the tenant in the query', async () => {
  await pool.query("INSERT INTO tenants (no, id) VALUES (1, 't1'), (2, 't2')");
  const prisma = createPrisma(pool);
  const scope = { tenantNo: 1, tables: pool };
  const tenants = await readInTenantScope(prisma, scope, ({ tenant }) => tenant.findMany());
  expect(tenants.map(({ id }) => id)).toEqual(['t1']);
  const other = await readInTenantScope(prisma, scope, ({ tenant }) =>
    tenant.findUnique({ where: { no: 2 } }),
  );
  expect(other).toBeNull();
});
