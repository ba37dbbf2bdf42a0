import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPool, type SchemaPool } from '../../src/postgres/client/pool.ts';
import { runInOneRoundTrip, tenantScope } from '../../src/postgres/client/transaction.sql.ts';
import { readBootstrapText } from '../../src/postgres/feed/read-bootstrap.sql.ts';
import { readChangesText } from '../../src/postgres/feed/read-changes.sql.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { planNodesOf } from '../testkit/postgres/sent-statements.ts';
import { insertTenantsText, ofTenant } from '../testkit/postgres/tenant-history.ts';

/** Each of three tenants has so many. The pages are read by the tenant in the middle of the index. */
const recordsOfTenant = 5_000;
const limit = 1_000;
const maxBytes = 4_194_304;

let service: TestApp;
let pool: SchemaPool;
/** The number of the tenant in the middle. */
let middle: number;
beforeAll(async () => {
  service = await startApp();
  pool = createPool({ connectionString: service.database.url, max: 1, onIdleError: () => {} });
  for (const tenant of ['a-neighbour', 'middle', 'z-neighbour']) {
    const values = [tenant, recordsOfTenant];
    await service.sql(insertTenantsText('VALUES ($1)', { head: '$2' }), values);
    await service.sql(
      `INSERT INTO records (tenant_no, entity_type, entity_id, version, deleted, data, data_version,
         origin_key, origin_kind, origin_at, created_at, updated_at)
       SELECT no, 'note', to_char(n, '"n"FM0000'), n, false, '{"title":"t"}', 1,
              'key', 'note.put', now(), now(), now()
       FROM tenants, generate_series(1, $2::int) AS n
       WHERE id = $1`,
      values,
    );
  }
  const [row] = await service.sql<{ no: number }>('SELECT no FROM tenants WHERE id = $1', [
    'middle',
  ]);
  middle = row?.no ?? 0;
  await service.sql('VACUUM ANALYZE');
});
afterAll(async () => {
  await pool.end();
  await service.close();
});

/** What a page has read of the records, under the generic plan with which the service reads it. */
async function readsOf(text: string, types: string, values: readonly (string | number | null)[]) {
  const { rows } = await runInOneRoundTrip(pool, tenantScope([middle]), async (sender) => {
    const literals = values.map((value) => (value === null ? 'NULL' : `'${value}'`));
    const [, explained] = await Promise.all([
      sender.query({ text: `PREPARE page (${types}) AS ${text}` }),
      sender.query<{ 'QUERY PLAN': string }>({
        text: `EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE page (${literals.join(', ')})`,
      }),
      sender.query({ text: 'DEALLOCATE page' }),
    ]);
    return explained;
  });
  const plan = JSON.parse(rows[0]?.['QUERY PLAN'] ?? '')[0].Plan;
  return planNodesOf(plan).filter((node) => node['Relation Name'] === 'records');
}

test.each([
  ['the first page', 0],
  ['a page in the middle', 2_000],
  ['an empty page', recordsOfTenant],
])(
  '%s of changes reads the records at most twice, by index: for the page and for the records after it',
  async (_page, after) => {
    const values = [middle, after, null, limit, maxBytes, after];
    const reads = await readsOf(
      readChangesText,
      'int, bigint, text[], bigint, bigint, bigint',
      values,
    );
    expect(reads.length).toBeGreaterThan(0);
    expect(reads.length).toBeLessThanOrEqual(2);
    for (const read of reads) {
      expect(read['Node Type']).toMatch(/Index/);
      expect(read['Actual Loops']).toBeLessThanOrEqual(1);
      expect(read['Actual Rows']).toBeLessThanOrEqual(limit + 1);
      expect(read['Rows Removed by Filter'] ?? 0).toBe(0);
    }
  },
);

const bootstrapTypes = 'int, text, text, bigint, bigint, bigint, bigint';

test.each([
  ['the first page', '', ''],
  ['a page in the middle', 'note', 'n2000'],
  ['an empty page', 'note', 'n5000'],
])(
  '%s of a bootstrap reads the records once, by the primary key, and no more than one beyond the page',
  async (_page, lastType, lastId) => {
    const head = recordsOfTenant;
    const values = [middle, lastType, lastId, limit, maxBytes, head, head];
    const reads = await readsOf(readBootstrapText, bootstrapTypes, values);
    expect(reads).toMatchObject([{ 'Index Name': 'records_pkey', 'Actual Loops': 1 }]);
    expect(reads[0]?.['Actual Rows']).toBeLessThanOrEqual(limit + 1);
    expect(reads[0]?.['Rows Removed by Filter'] ?? 0).toBe(0);
  },
);

test('a page of a bootstrap reads no more of the tombstones and of the later records than lie between its records', async () => {
  const inTables = (text: string) => service.sql(text, ['middle']);
  // Of the first 2000 records every second one is a tombstone, or was changed since the bootstrap began.
  const everySecond = `${ofTenant} AND version <= 2000 AND version % 2 = 0`;
  await inTables(`UPDATE records SET deleted = true WHERE ${everySecond} AND version % 4 = 0`);
  await inTables(
    `UPDATE records SET version = version + ${recordsOfTenant} WHERE ${everySecond} AND NOT deleted`,
  );
  const values = [middle, '', '', limit / 2, maxBytes, recordsOfTenant, recordsOfTenant];
  const reads = await readsOf(readBootstrapText, bootstrapTypes, values);
  expect(reads).toMatchObject([{ 'Index Name': 'records_pkey', 'Actual Rows': limit / 2 + 1 }]);
  expect(reads[0]?.['Rows Removed by Filter']).toBe(limit / 2);
});
