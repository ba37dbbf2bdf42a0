import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TransactionScope } from '../../src/postgres/client/transaction.sql.ts';
import { tenantTables } from '../../src/postgres/tenants/tenant-tables.ts';
import { allWork, allWorkKinds, type WorkPlace } from '../testkit/app/all-work.ts';
import { createRetentionRunner } from '../testkit/app/retention.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { executedStatements, reportPlans } from '../testkit/postgres/executed-plans.ts';
import { fillTenant } from '../testkit/postgres/fill-tenant.ts';
import {
  isWideRead,
  type PlanNode,
  sentStatements,
  type SentStatement,
} from '../testkit/postgres/sent-statements.ts';
import { insertTenantsText, moveHead, ofTenant } from '../testkit/postgres/tenant-history.ts';
import { withClient } from '../testkit/postgres/client.ts';

/** The rows of each of two tenants in each table. No statement may read all of them. */
const rowsPerTenant = 5_000;
/** Fewer than a page of tenants, of which no other statement may read all. */
const otherTenants = 400;
const tables = [...tenantTables, 'tenants'];

let database: TestDatabase;
let service: TestApp;
let place: WorkPlace;

/** Starts the service on a new database whose plans are reported, and gives it a tenant. */
async function start(prepare: (database: TestDatabase) => Promise<unknown>): Promise<void> {
  database = await createDatabase();
  await withClient(database.url, async (client) => {
    for (const table of tables)
      await client.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
  });
  await reportPlans(database.url);
  await prepare(database);
  // Few connections, so that a plan is used again that a connection has kept.
  const env = { DATABASE_POOL_SIZE: '3', COMMIT_LANES: '1', READ_LANES: '1' };
  service = await startApp({ kinds: allWorkKinds, database, env });
  const tenant = await createTenant(service);
  place = { service, tenant };
}

async function stop(): Promise<void> {
  await service.close();
  await database.drop();
}

/** Fills the tables for the tenant and for a neighbour. */
async function fill(): Promise<void> {
  const neighbour = await createTenant(service);
  for (const { id } of [place.tenant, neighbour]) {
    const first = (await headOf(id)) + 1;
    await fillTenant(service.sql, id, [first, first + rowsPerTenant - 1]);
    await moveHead(service.sql, id, first + rowsPerTenant - 1);
    await service.sql('UPDATE tenants SET horizon = greatest(horizon, 1) WHERE id = $1', [id]);
  }
  await service.sql(
    insertTenantsText(`SELECT 'tenant ' || v FROM generate_series(1, ${otherTenants}) AS v`, {
      head: '1',
    }),
  );
}

async function headOf(id: string): Promise<number> {
  const [row] = await service.sql<{ head: number }>(
    'SELECT head::int AS head FROM tenants WHERE id = $1',
    [id],
  );
  return row?.head ?? 0;
}

interface ObservedWork {
  readonly sent: readonly SentStatement[];
  readonly reads: readonly Read[];
}

/** What one node of a plan has read of a table or an index, in all. */
interface Read {
  readonly text: string;
  readonly node: PlanNode;
  readonly plan: TransactionScope['plan'];
  readonly rows: number;
}

async function observe(work: (typeof allWork)[number]): Promise<ObservedWork> {
  let sent: readonly SentStatement[] = [];
  const executed = await executedStatements(async () => {
    sent = await sentStatements(() => work.run(place));
  });
  // The test sends its own statements without a scope.
  const plans = new Map(
    sent.flatMap(({ text, scope }) => (scope ? [[text, scope.plan] as const] : [])),
  );
  const reads = executed.flatMap(({ text, nodes }) => {
    const plan = plans.get(text);
    const ofTables = nodes.filter((node) => tables.some((table) => isOf(node, table)));
    return plan === undefined
      ? []
      : ofTables.map((node) => ({ text, node, plan, rows: rowsReadBy(node) }));
  });
  return { sent, reads };
}

/** An insert has a node of its own for the table, which reads nothing. */
function isOf(node: PlanNode, table: string): boolean {
  if (node['Node Type'] === 'ModifyTable') return false;
  return node['Relation Name'] === table || node['Index Name']?.startsWith(`${table}_`) === true;
}

function rowsReadBy(node: PlanNode): number {
  const perLoop =
    node['Actual Rows'] +
    (node['Rows Removed by Filter'] ?? 0) +
    (node['Rows Removed by Index Recheck'] ?? 0);
  return Math.round(perLoop * node['Actual Loops']);
}

const sumOf = (reads: readonly Read[]) => reads.reduce((sum, { rows }) => sum + rows, 0);

async function countRecords(): Promise<number> {
  const text = `SELECT count(*)::int AS count FROM records WHERE ${ofTenant}`;
  const [row] = await service.sql<{ count: number }>(text, [place.tenant.id]);
  return row?.count ?? 0;
}

type Preparing = () => Promise<void>;
const states: readonly (readonly [state: string, isAnalysed: boolean, prepare: Preparing])[] = [
  ['that are empty at first and were never analysed', false, () => start(async () => {})],
  [
    'that were analysed while they were empty, and filled since',
    false,
    async () => {
      await start(({ url }) => withClient(url, (client) => client.query('VACUUM ANALYZE')));
      // The connections of the service keep the plans that they make now.
      for (const work of allWork) await work.run(place);
      await fill();
    },
  ],
  [
    'that are full and were analysed',
    true,
    async () => {
      await start(async () => {});
      await fill();
      await service.sql('VACUUM ANALYZE');
    },
  ],
];

describe.each(states)('in tables %s', (_state, isAnalysed, prepare) => {
  beforeAll(prepare, 240_000);
  afterAll(stop);

  test.each(allWork)(
    '$what: each statement probes an index, and reads no more rows than it asks for',
    async (work) => {
      const { sent, reads } = await observe(work);
      const ofTenants = sent.filter(
        ({ text, scope }) =>
          scope &&
          tables.some((table) => text.includes(table)) &&
          !text.includes("'landfall.tenants'"),
      );
      const roles = new Set(ofTenants.map(({ scope }) => scope?.role));
      expect(roles.has(work.role) || ofTenants.length === 0).toBe(true);
      expect(roles.has('landfall_operator') && work.role !== 'landfall_operator').toBe(false);
      // A custom plan is made for each execution. On tables with few rows it may read them all, and on tables without
      // statistics it knows no better index.
      const judged = reads.filter(({ plan }) => plan === 'generic' || isAnalysed);
      expect(judged.filter(({ node, text }) => isWideRead(node, text))).toEqual([]);
      const beyond = judged.filter(({ rows }) => rows > work.maxRows);
      const allowed = work.passesRecords ? await countRecords() : 0;
      expect(sumOf(beyond) <= allowed ? [] : beyond).toEqual([]);
      const isWhole = ({ node }: Read) => node['Node Type'] === 'Seq Scan';
      expect(reads.filter(isWhole)).toEqual([]);
    },
  );

  test('a page of an entity type without records is planned for that type', async () => {
    const sent = await sentStatements(() =>
      place.tenant.pull({ entityTypes: 'rare', since: place.tenant.start, limit: 50 }),
    );
    const pages = sent.filter(({ text, scope }) => scope && text.includes('MATERIALIZED'));
    expect(pages.map(({ scope }) => scope?.plan)).toEqual(['custom']);
  });

  test('retention finds old events by probes of one event each', async () => {
    const runRetention = createRetentionRunner(service, { tombstoneMs: 1, eventMs: 1 });
    const executed = await executedStatements(runRetention);
    const searches = executed.filter(({ text }) => text.includes('RECURSIVE search'));
    expect(searches.length).toBeGreaterThan(0);
    const probes = searches.flatMap(({ nodes }) => nodes.filter((node) => isOf(node, 'events')));
    for (const probe of probes) {
      const read = probe['Actual Rows'] + (probe['Rows Removed by Filter'] ?? 0);
      expect(read).toBeLessThanOrEqual(1);
    }
  });
});
