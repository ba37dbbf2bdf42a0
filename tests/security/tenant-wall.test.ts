import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createPool } from '../../src/postgres/client/pool.ts';
import {
  operatorScope,
  tenantScope,
  runInOneRoundTrip,
  type TransactionScope,
} from '../../src/postgres/client/transaction.sql.ts';
import { tenantTables } from '../../src/postgres/tenants/tenant-tables.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

const tables = [...tenantTables, 'tenants'] as const;

let service: TestApp;
/** A pool of one connection, so that a leftover of a session would affect the next transaction. */
let pool: pg.Pool;
beforeAll(async () => {
  service = await startApp();
  pool = createPool({ connectionString: service.database.url, max: 1, onIdleError: () => {} });
});
afterAll(async () => {
  await pool.end();
  await service.close();
});

/** The values of one row for every table. */
const rowsOf: { readonly [table in (typeof tables)[number]]: string } = {
  tenants: `(id, head) VALUES ($1, 1)`,
  events: `VALUES ($1, 1, 'k1', '', 'note.put', 1, 'note', 'n1', 'conflict', NULL, NULL, NULL, now(),
           now(), false, NULL, NULL, NULL, '{}', 0, 1)`,
  records: `VALUES ($1, 'note', 'n1', 1, false, '{}', '{}', NULL, 'k1', 'note.put', NULL, now(), now(),
            now())`,
  effects: `VALUES ($1, 'note', 'n1', 1, 0, 1)`,
  conflicts: `VALUES ($1, 1, 'note', 'n1', NULL, NULL)`,
  replays: `VALUES ($1, 1, 1, now())`,
  purged_records: `VALUES ($1, 'note', 'n0', 1, '{}', NULL, 'k', 'note.put', NULL, now(), now(), now())`,
};
const columnOf = (table: string) => (table === 'tenants' ? 'id' : 'tenant_id');

beforeEach(async () => {
  for (const table of tables) {
    await service.sql(`TRUNCATE ${table}`);
    for (const tenant of ['t1', 't2']) {
      await service.sql(`INSERT INTO ${table} ${rowsOf[table]}`, [tenant]);
    }
  }
});

const run = (scope: TransactionScope, text: string, values: readonly unknown[] = []) =>
  runInOneRoundTrip(pool, scope, (trip) => trip.query({ text, values: [...values] }));

/** All rows of t2, as a superuser sees them. */
const rowsOfOther = async () =>
  Promise.all(
    tables.map((table) =>
      service.sql(`SELECT t::text AS row FROM ${table} AS t WHERE ${columnOf(table)} = 't2'`),
    ),
  );

describe.each(tables)('with the tenant set to t1, in %s', (table) => {
  const column = columnOf(table);
  const t1 = tenantScope(['t1']);

  test('a SELECT without a tenant sees only t1, and a SELECT for t2 sees nothing', async () => {
    const { rows } = await run(t1, `SELECT DISTINCT ${column} AS tenant FROM ${table}`);
    expect(rows).toEqual([{ tenant: 't1' }]);
    const other = await run(t1, `SELECT FROM ${table} WHERE ${column} = $1`, ['t2']);
    expect(other.rows).toEqual([]);
  });

  test('no statement writes to t2, with t2 in its condition or without any tenant', async () => {
    const before = await rowsOfOther();
    const updates = await Promise.allSettled([
      run(t1, `DELETE FROM ${table}`),
      run(t1, `DELETE FROM ${table} WHERE ${column} = 't2'`),
      run(t1, `UPDATE ${table} SET ${column} = ${column} WHERE ${column} = 't2'`),
      run(t1, `UPDATE ${table} SET ${column} = 't2'`),
      run(t1, `INSERT INTO ${table} ${rowsOf[table].replaceAll("'n1'", "'n2'")}`, ['t2']),
      run(t1, `SELECT FROM ${table} WHERE ${column} = 't2' FOR UPDATE`),
    ]);
    const written = updates.map((update) =>
      update.status === 'fulfilled' ? `${update.value.rowCount} rows` : String(update.reason),
    );
    for (const result of written)
      expect(result).toMatch(/^0 rows|permission denied|row-level security/);
    expect(await rowsOfOther()).toEqual(before);
  });

  test('the policy refuses a new row for t2, also if the grants would allow it', async () => {
    await service.sql(`GRANT INSERT ON ${table} TO landfall_service`);
    try {
      await service.sql(`DELETE FROM ${table}`);
      await expect(run(t1, `INSERT INTO ${table} ${rowsOf[table]}`, ['t2'])).rejects.toThrow(
        /row-level security policy/,
      );
      expect((await run(t1, `INSERT INTO ${table} ${rowsOf[table]}`, ['t1'])).rowCount).toBe(1);
    } finally {
      const kept = ['purged_records', 'tenants'].includes(table);
      if (kept) await service.sql(`REVOKE INSERT ON ${table} FROM landfall_service`);
      if (table === 'tenants')
        await service.sql('GRANT INSERT (id) ON tenants TO landfall_service');
    }
  });

  test.each([
    ['no tenant', "set_config('landfall.tenants', '{}', true)"],
    ['an empty text', "set_config('landfall.tenants', '', true)"],
    ['NULL', "set_config('landfall.tenants', NULL, true)"],
  ])('if %s is set, a SELECT sees nothing and does not fail', async (_what, setting) => {
    const { rows } = await runInOneRoundTrip(pool, t1, async (trip) => {
      const [, selected] = await Promise.all([
        trip.query({ text: `SELECT ${setting}` }),
        trip.query({ text: `SELECT FROM ${table}` }),
      ]);
      return selected;
    });
    expect(rows).toEqual([]);
  });

  test('the operator sees both tenants, and so does a transaction for both', async () => {
    for (const scope of [operatorScope, tenantScope(['t1', 't2'])]) {
      const { rows } = await run(
        scope,
        `SELECT DISTINCT ${column} AS tenant FROM ${table} ORDER BY 1`,
      );
      expect(rows).toEqual([{ tenant: 't1' }, { tenant: 't2' }]);
    }
  });
});

test.each(['UPDATE events SET clock_adjusted = true', "UPDATE events SET payload = '{}'"])(
  'a tenant cannot change its own log: %s',
  async (statement) => {
    await expect(run(tenantScope(['t1']), statement)).rejects.toThrow(
      /permission denied|row-level security policy/,
    );
  },
);

test.each(['a,b', '{t2}', '"t2"', "t2'", '\\', 'NULL', 'null', '', ' t2 ', '{', 't1,t2'])(
  'the tenant %j is not t2, and sees its own rows',
  async (name) => {
    await service.sql('INSERT INTO tenants (id) VALUES ($1)', [name]);
    const { rows } = await run(tenantScope([name]), 'SELECT id FROM tenants');
    expect(rows).toEqual([{ id: name }]);
  },
);
