import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPool } from '../../src/postgres/client/pool.ts';
import {
  operatorScope,
  searchScope,
  tenantScope,
  runInOneRoundTrip,
  runInTransaction,
} from '../../src/postgres/client/transaction.sql.ts';
import { createPrisma, readInTenantScope } from '../../src/postgres/audit/prisma.ts';
import { createDatabase, type TestDatabase } from '../testkit/database.ts';

const settings = [
  'role',
  'landfall.tenants',
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
let pool: pg.Pool;
/** PostgreSQL has it from 17 on. */
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
const inside = (scope = tenantScope(['t1'])) =>
  runInOneRoundTrip(pool, scope, async (trip) =>
    toObject((await trip.query<Setting>({ text: read })).rows),
  );

/** @returns milliseconds */
const toMs = (value: string | null | undefined) =>
  Number.parseInt(value ?? '', 10) * (value?.endsWith('ms') ? 1 : 1_000);

test('the timeouts of a transaction stand in a ladder, each shorter than the next', async () => {
  const set = await inside();
  expect(toMs(set.lock_timeout)).toBe(2_000);
  expect(toMs(set.statement_timeout)).toBe(5_000);
  expect(toMs(set.idle_in_transaction_session_timeout)).toBe(5_000);
  expect(toMs(set.transaction_timeout)).toBe(transactionTimeout);
  // The client's own patience comes after all of them, and ends before a request has to: 20 s.
  const { options } = pool as unknown as {
    options: { query_timeout: number; connectionTimeoutMillis: number };
  };
  expect(options.query_timeout).toBeGreaterThan(10_000);
  expect(options.query_timeout + options.connectionTimeoutMillis).toBeLessThan(20_000);
});

test('a transaction works as its role, and for its tenants', async () => {
  expect(await inside(tenantScope(['t1', 'a "b", {c}']))).toMatchObject({
    role: 'landfall_service',
    'landfall.tenants': '{t1,"a \\"b\\", {c}"}',
    enable_seqscan: 'off',
    enable_bitmapscan: 'off',
    plan_cache_mode: 'force_generic_plan',
  });
  expect(await inside(searchScope('t1'))).toMatchObject({
    role: 'landfall_service',
    'landfall.tenants': '{t1}',
    enable_bitmapscan: 'on',
    plan_cache_mode: 'force_custom_plan',
  });
  expect(await inside(operatorScope)).toMatchObject({
    role: 'landfall_operator',
    'landfall.tenants': '{}',
  });
});

describe('no setting survives the transaction on a pooled connection', () => {
  let before: Record<string, string | null>;
  beforeAll(async () => {
    before = { ...(await outside()), role: 'none', 'landfall.tenants': '' };
  });

  test('one that commits', async () => {
    await inside();
    expect(await outside()).toEqual(before);
  });

  test('one that fails', async () => {
    const failing = runInOneRoundTrip(pool, tenantScope(['t1']), (trip) =>
      trip.query({ text: 'SELECT 1 / 0' }),
    );
    await expect(failing).rejects.toThrow('division by zero');
    expect(await outside()).toEqual(before);
  });

  test('one that is given up half-way', async () => {
    const client = await pool.connect();
    const work = runInTransaction(client, operatorScope, async () => {
      expect(toObject((await client.query<Setting>(read)).rows).role).toBe('landfall_operator');
      throw new Error('given up');
    });
    await expect(work).rejects.toThrow('given up');
    client.release();
    expect(await outside()).toEqual(before);
  });

  test("one of Prisma's", async () => {
    const prisma = createPrisma(pool);
    expect(await readInTenantScope(prisma, 't1', ({ tenant }) => tenant.findMany())).toEqual([]);
    expect(await outside()).toEqual(before);
  });
});

test('where the role may not be taken nothing runs as the login, and the connection is clean', async () => {
  const scope = {
    ...tenantScope(['t1']),
    role: 'landfall_nobody',
  } as unknown as typeof operatorScope;
  const failing = runInOneRoundTrip(pool, scope, (trip) =>
    trip.query({ text: "INSERT INTO tenants (id) VALUES ('by the login')" }),
  );
  await expect(failing).rejects.toThrow('landfall_nobody');
  expect((await pool.query('SELECT FROM tenants')).rows).toEqual([]);
  expect((await outside()).role).toBe('none');
});

test('what is read by way of Prisma is read as the tenant, also where the query forgets it', async () => {
  await pool.query("INSERT INTO tenants (id) VALUES ('t1'), ('t2')");
  const prisma = createPrisma(pool);
  const found = await readInTenantScope(prisma, 't1', ({ tenant }) => tenant.findMany());
  expect(found.map(({ id }) => id)).toEqual(['t1']);
  const other = await readInTenantScope(prisma, 't1', ({ tenant }) =>
    tenant.findUnique({ where: { id: 't2' } }),
  );
  expect(other).toBeNull();
});
