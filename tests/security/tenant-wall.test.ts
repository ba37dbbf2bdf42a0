import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createPool, type SchemaPool } from '../../src/postgres/client/pool.ts';
import {
  operatorScope,
  tenantIdScope,
  tenantScope,
  runInOneRoundTrip,
  type TransactionScope,
} from '../../src/postgres/client/transaction.sql.ts';
import { tenantTables } from '../../src/postgres/tenants/tenant-tables.ts';
import { insertTenantsText } from '../testkit/postgres/tenant-history.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

const tables = [...tenantTables, 'tenants'] as const;

let service: TestApp;
/** A pool of one connection, so that a leftover of a session would affect the next transaction. */
let pool: SchemaPool;
beforeAll(async () => {
  service = await startApp();
  await service.sql('ALTER TABLE tenant_numbers ALTER COLUMN no RESTART WITH 100');
  pool = createPool({ connectionString: service.database.url, max: 1, onIdleError: () => {} });
});
afterAll(async () => {
  await pool.end();
  await service.close();
});

const origin = 'origin_key, origin_kind, origin_at, created_at, updated_at';
const ofOrigin = `'k1', 'note.put', now(), now(), now()`;

/** The columns and values of one row for every table. $1 is the number of the tenant t1 or t2. */
const rowsOf: { readonly [table in (typeof tables)[number]]: string } = {
  tenants: `(no, id, head) VALUES ($1::int, 't' || $1::int, 1)`,
  events: `(tenant_no, version, key_hash, identity_key, kind, kind_version, entity_type, entity_id, outcome,
            received_at, effective_at, clock_adjusted, record_changed, payload)
           VALUES ($1, 1, 'k1', 'k1', 'note.put', 1, 'note', 'n1', 5, now(), now(), false, false, '{}')`,
  records: `(tenant_no, entity_type, entity_id, version, deleted, data, data_version, ${origin})
            VALUES ($1, 'note', 'n1', 1, false, '{}', 1, ${ofOrigin})`,
  effects: `(tenant_no, entity_type, entity_id, version, record_before, record_after)
            VALUES ($1, 'note', 'n1', 1, 0, 1)`,
  conflicts: `(tenant_no, version, entity_type, entity_id) VALUES ($1, 1, 'note', 'n1')`,
  resends: `(tenant_no, version, count, last_at) VALUES ($1, 1, 1, now())`,
  purged_records: `(tenant_no, entity_type, entity_id, version, ${origin})
                   VALUES ($1, 'note', 'n0', 1, ${ofOrigin})`,
};
const columnOf = (table: string) => (table === 'tenants' ? 'no' : 'tenant_no');
const t1 = tenantScope([1]);

beforeEach(async () => {
  for (const table of tables) {
    await service.sql(`TRUNCATE ${table}`);
    for (const tenantNo of [1, 2]) {
      await service.sql(`INSERT INTO ${table} ${rowsOf[table]}`, [tenantNo]);
    }
  }
});

const run = (scope: TransactionScope, text: string, values: readonly unknown[] = []) =>
  runInOneRoundTrip(pool, scope, (trip) => trip.query({ text, values: [...values] }));

/** All rows of t2, as a superuser sees them. */
const rowsOfOther = async () =>
  Promise.all(
    tables.map((table) =>
      service.sql(`SELECT t::text AS row FROM ${table} AS t WHERE ${columnOf(table)} = 2`),
    ),
  );

describe.each(tables)('with the tenant set to t1, in %s', (table) => {
  const column = columnOf(table);

  test('a SELECT without a tenant sees only t1, and a SELECT for t2 sees nothing', async () => {
    const { rows } = await run(t1, `SELECT DISTINCT ${column} AS tenant FROM ${table}`);
    expect(rows).toEqual([{ tenant: 1 }]);
    const other = await run(t1, `SELECT FROM ${table} WHERE ${column} = $1`, [2]);
    expect(other.rows).toEqual([]);
  });

  test('no statement writes to t2, with t2 in its condition or without any tenant', async () => {
    const before = await rowsOfOther();
    const updates = await Promise.allSettled([
      run(t1, `DELETE FROM ${table}`),
      run(t1, `DELETE FROM ${table} WHERE ${column} = 2`),
      run(t1, `UPDATE ${table} SET ${column} = ${column} WHERE ${column} = 2`),
      run(t1, `UPDATE ${table} SET ${column} = 2`),
      run(t1, `INSERT INTO ${table} ${rowsOf[table].replaceAll("'n1'", "'n2'")}`, [2]),
      run(t1, `SELECT FROM ${table} WHERE ${column} = 2 FOR UPDATE`),
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
      await expect(run(t1, `INSERT INTO ${table} ${rowsOf[table]}`, [2])).rejects.toThrow(
        /row-level security policy/,
      );
      expect((await run(t1, `INSERT INTO ${table} ${rowsOf[table]}`, [1])).rowCount).toBe(1);
    } finally {
      if (table === 'purged_records')
        await service.sql('REVOKE INSERT ON purged_records FROM landfall_service');
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
    for (const scope of [operatorScope, tenantScope([1, 2])]) {
      const { rows } = await run(
        scope,
        `SELECT DISTINCT ${column} AS tenant FROM ${table} ORDER BY 1`,
      );
      expect(rows).toEqual([{ tenant: 1 }, { tenant: 2 }]);
    }
  });

  test('a transaction that finds the number of t1 by its id sees no more than the row of t1 in tenants', async () => {
    const { rows } = await run(
      tenantIdScope(['t1']),
      `SELECT DISTINCT ${column} AS tenant FROM ${table}`,
    );
    expect(rows).toEqual(table === 'tenants' ? [{ tenant: 1 }] : []);
  });
});

test.each(['UPDATE events SET clock_adjusted = true', "UPDATE events SET payload = '{}'"])(
  'a tenant cannot change its own log: %s',
  async (statement) => {
    await expect(run(t1, statement)).rejects.toThrow(/permission denied|row-level security policy/);
  },
);

test.each(['no', 'id', 'epoch', 'horizon', 'log_horizon', 'horizons', 'created_at'])(
  'a tenant cannot change the column %s of its own row',
  async (column) => {
    const statement = `UPDATE tenants SET ${column} = ${column}`;
    await expect(run(t1, statement)).rejects.toThrow(/permission denied/);
  },
);

test.each(['a,b', '{t2}', '"t2"', "t2'", '\\', 'NULL', 'null', '', ' t2 ', '{', 't1,t2'])(
  'the tenant %j is not t2, and sees its own rows',
  async (name) => {
    const scope = tenantIdScope([name]);
    await run(scope, insertTenantsText('VALUES ($1)'), [name]);
    const { rows } = await run(scope, 'SELECT id FROM tenants');
    expect(rows).toEqual([{ id: name }]);
  },
);

test('a transaction for the id t3 gives a number to t3, and to no other tenant', async () => {
  const scope = tenantIdScope(['t3']);
  await expect(run(scope, insertTenantsText("VALUES ('t4')"))).rejects.toThrow(
    /row-level security policy/,
  );
  expect((await run(scope, insertTenantsText("VALUES ('t3')"))).rowCount).toBe(1);
});
