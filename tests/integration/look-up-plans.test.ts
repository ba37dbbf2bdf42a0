import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import {
  runInTransaction,
  type TransactionScope,
} from '../../src/postgres/client/transaction.sql.ts';
import { tenantTables } from '../../src/postgres/tenants/tenant-tables.ts';
import { put, remove } from '../testkit/oracle/events.ts';
import { createTenant, type Tenant } from '../testkit/oracle/tenant.ts';
import { auditOf } from '../testkit/oracle/audit.ts';
import { noteKinds } from '../testkit/oracle/audit-kinds.ts';
import { startApp, type TestApp } from '../testkit/app.ts';
import { fillTenant } from '../testkit/fill-tenant.ts';
import { createCleaner, letDaysPass } from '../testkit/retention.ts';
import {
  nodesOf,
  type PlanNode,
  sentStatements,
  type Statement,
} from '../testkit/sent-statements.ts';
import { withClient } from '../testkit/template.ts';

/** Rows of the tenant in each table, which no statement may read as a whole. */
const rowsOfTenant = 3_000;
/** What the requests below ask for at once: a page is 50 records and the tombstones between them. */
const mayRead = 110;

/** They look nothing up, and cannot be run a second time. */
const appends = /^\s*INSERT INTO (events|effects|conflicts) /;

const names = [...tenantTables, 'tenants'];

let service: TestApp;
let tenant: Tenant;
/** A checkpoint at the head. */
let newest: string;
beforeAll(async () => {
  service = await startApp({ kinds: noteKinds });
  tenant = await createTenant(service);
  await tenant.push([put('first')]);
  const neighbour = await createTenant(service);
  await neighbour.push([put('first')]);
  for (const { id } of [tenant, neighbour]) await fill(id);
  ({ checkpoint: newest } = await tenant.push([put('last')]));
  await service.sql('ANALYZE');
});
beforeEach(async () => {
  ({ checkpoint: newest } = await tenant.pull({ since: newest }));
});
afterAll(() => service.close());

async function fill(id: string): Promise<void> {
  const query = (text: string, values: readonly unknown[]) => service.sql(text, values);
  await fillTenant(query, id, [2, rowsOfTenant]);
  await service.sql('UPDATE tenants SET head = $2, horizon = 1 WHERE id = $1', [id, rowsOfTenant]);
}

function mustHaveScope({ scope, text }: Statement): TransactionScope {
  if (!scope) throw new Error(`sent without a scope: ${text}`);
  return scope;
}

/** Every statement that the service sends to a tenant's table meanwhile, in a scope. */
async function statementsOf(work: () => Promise<unknown>): Promise<readonly Statement[]> {
  const sent = await sentStatements(work);
  return sent.filter(
    ({ text, scope }) =>
      scope && names.some((name) => text.includes(name)) && !text.includes("'landfall.tenants'"),
  );
}

/** Runs each statement once more, with the settings it had, and undoes it. */
async function planOf(statement: Statement): Promise<readonly PlanNode[]> {
  const { text, values } = statement;
  let plan: PlanNode | undefined;
  const scope = mustHaveScope(statement);
  const undone = withClient(service.database.url, (client) =>
    runInTransaction(client, scope, async () => {
      const { rows } = await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
      plan = rows[0]['QUERY PLAN'][0].Plan;
      throw new Error('undone');
    }),
  );
  await expect(undone).rejects.toThrow('undone');
  return plan ? nodesOf(plan) : [];
}

const known = put('n1');
/** How often it was sent again is written down a moment later. */
const hasCounted = async () => {
  const counted = await service.sql('SELECT FROM replays WHERE tenant_id = $1 AND version > $2', [
    tenant.id,
    rowsOfTenant,
  ]);
  return counted.length > 0;
};
type Work = readonly [what: string, leastStatements: number, work: () => Promise<unknown>];
const works: readonly Work[] = [
  [
    'a poll that finds nothing',
    1,
    async () => expect((await tenant.pull({ since: newest })).changes).toEqual([]),
  ],
  [
    'a push of new events, duplicates, edits and conflicts',
    12,
    async () => {
      await tenant.push([known]);
      await tenant.push([known, put('n2'), remove('old-9'), put('gone-7')]);
      await tenant.push([put('n1', {}, { baseVersion: 1 })]);
      await vi.waitUntil(hasCounted, { timeout: 30_000, interval: 100 });
    },
  ],
  ['a page', 1, () => tenant.pull({ limit: 50 })],
  [
    'what a person looks up: conflicts',
    3,
    () => auditOf(tenant).conflicts({ state: 'all', limit: 20 }),
  ],
  [
    'what a person looks up: a history',
    5,
    () => auditOf(tenant).history('note', 'n1', { limit: 20 }),
  ],
  ['what a device looks up: receipts', 2, () => auditOf(tenant).receipts(known.identityKey)],
];

test.each(works)('%s reads by index, and no more than it asks for', async (_what, least, work) => {
  const statements = await statementsOf(work);
  expect(statements.length).toBeGreaterThanOrEqual(least);
  expect(new Set(statements.map(({ scope }) => scope?.role))).toEqual(
    new Set(['landfall_service']),
  );
  const found: object[] = [];
  for (const statement of statements.filter(({ text }) => !appends.test(text))) {
    const nodes = await planOf(statement);
    for (const node of nodes.filter((one) => one['Relation Name'] ?? one['Index Name'])) {
      const read = node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0);
      const isWhole = node['Node Type'] === 'Seq Scan' && node['Actual Loops'] > 0;
      if (isWhole || read > mayRead) found.push({ statement, node });
    }
  }
  expect(found).toEqual([]);
});

test('a page of a rare type is planned for that type, and does not walk through the others', async () => {
  const pages = await statementsOf(() => tenant.pull({ entityTypes: 'rare', limit: 50 }));
  expect(pages.map(({ scope }) => scope?.plan)).toEqual(['custom']);
  for (const node of (await Promise.all(pages.map(planOf))).flat()) {
    const read = (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0);
    expect({ node, read }).toMatchObject({ read: expect.toSatisfy((rows) => rows <= mayRead) });
  }
});

test('the clean-up looks for what is old by index, as the operator', async () => {
  await letDaysPass(tenant, 200, 1);
  const cleaner = createCleaner(service, { batchRows: 50, eventMs: 86_400_000 });
  const statements = await statementsOf(cleaner);
  expect(new Set(statements.map(({ scope }) => scope?.role))).toEqual(
    new Set(['landfall_operator']),
  );
  const aged = statements.find(({ text }) => text.includes('RECURSIVE search'));
  if (!aged) throw new Error('it looked for nothing');
  for (const node of await planOf(aged)) {
    if (node['Relation Name'] !== 'events') continue;
    expect(node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)).toBeLessThanOrEqual(1);
  }
});
