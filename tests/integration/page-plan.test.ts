import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPool } from '../../src/postgres/client/pool.ts';
import { readPageText } from '../../src/postgres/feed/read-page.sql.ts';
import { runInOneRoundTrip, tenantScope } from '../../src/postgres/client/transaction.sql.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { planNodesOf } from '../testkit/postgres/sent-statements.ts';

/** Each of three tenants has so many. The pages are read by the tenant in the middle of the index. */
const recordsOfTenant = 5_000;
let service: TestApp;
let pool: pg.Pool;
beforeAll(async () => {
  service = await startApp();
  pool = createPool({ connectionString: service.database.url, max: 1, onIdleError: () => {} });
  for (const tenant of ['a-neighbour', 'middle', 'z-neighbour']) {
    await service.sql(
      `INSERT INTO records
       SELECT $1, 'note', 'n' || n, n, false, '{"title":"t"}', '{}', NULL,
              'key', 'note.put', NULL, now(), now(), now()
       FROM generate_series(1, $2::int) AS n`,
      [tenant, recordsOfTenant],
    );
    await service.sql('INSERT INTO tenants (id, head) VALUES ($1, $2)', [tenant, recordsOfTenant]);
  }
  await service.sql('ANALYZE');
});
afterAll(async () => {
  await pool.end();
  await service.close();
});

test.each([
  ['the first page', 0],
  ['a page in the middle', 2_000],
  ['an empty page', recordsOfTenant],
])(
  '%s reads the records at most twice, by index: for the page and for the records after it',
  async (_page, after) => {
    const { rows } = await runInOneRoundTrip(pool, tenantScope(['middle']), (sender) =>
      sender.query({
        text: `EXPLAIN (ANALYZE, FORMAT JSON) ${readPageText}`,
        values: ['middle', after, 0, null, 1_000, 4_194_304, after],
      }),
    );
    const plan = JSON.parse(rows[0]?.['QUERY PLAN'])[0].Plan;
    const reads = planNodesOf(plan).filter((node) => node['Relation Name'] === 'records');
    expect(reads.length).toBeGreaterThan(0);
    for (const read of reads) {
      expect(read['Node Type']).toMatch(/Index/);
      expect(read['Actual Loops']).toBeLessThanOrEqual(1);
      expect(read['Actual Rows']).toBeLessThanOrEqual(1_001);
    }
  },
);
