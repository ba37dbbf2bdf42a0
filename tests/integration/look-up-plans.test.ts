import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import {
  runInTransaction,
  type TransactionScope,
} from '../../src/postgres/client/transaction.sql.ts';
import { tenantTables } from '../../src/postgres/tenants/tenant-tables.ts';
import { putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { auditOf } from '../testkit/app/audit.ts';
import { noteKinds } from '../testkit/kinds/storeroom-kinds.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { fillTenant } from '../testkit/postgres/fill-tenant.ts';
import { createRetentionRunner, letDaysPass } from '../testkit/app/retention.ts';
import {
  planNodesOf,
  type PlanNode,
  sentStatements,
  type SentStatement,
} from '../testkit/postgres/sent-statements.ts';
import { withClient } from '../testkit/postgres/client.ts';

/** The rows of each tenant in each table. No statement may read all of them. */
const rowsPerTenant = 3_000;
/** The most rows that a request below asks for: a page is 50 records and the tombstones between them. */
const maxRead = 110;

/** Inserts look up no rows, and cannot be run again. */
const isInsert = /^\s*INSERT INTO (events|effects|conflicts) /;

const names = [...tenantTables, 'tenants'];

let service: TestApp;
let tenant: Tenant;
/** A checkpoint at the head. */
let newest: string;
beforeAll(async () => {
  service = await startApp({ kinds: noteKinds });
  tenant = await createTenant(service);
  await tenant.push([putNote('first')]);
  const neighbour = await createTenant(service);
  await neighbour.push([putNote('first')]);
  for (const { id } of [tenant, neighbour]) await fill(id);
  ({ checkpoint: newest } = await tenant.push([putNote('last')]));
  await service.sql('ANALYZE');
});
beforeEach(async () => {
  ({ checkpoint: newest } = await tenant.pull({ since: newest }));
});
afterAll(() => service.close());

async function fill(id: string): Promise<void> {
  const query = (text: string, values: readonly unknown[]) => service.sql(text, values);
  await fillTenant(query, id, [2, rowsPerTenant]);
  await service.sql('UPDATE tenants SET head = $2, horizon = 1 WHERE id = $1', [id, rowsPerTenant]);
}

function mustHaveScope({ scope, text }: SentStatement): TransactionScope {
  if (!scope) throw new Error(`sent without a scope: ${text}`);
  return scope;
}

/** Every statement with a scope that the service sends during `work` to a table of tenants. */
async function statementsOf(work: () => Promise<unknown>): Promise<readonly SentStatement[]> {
  const sent = await sentStatements(work);
  return sent.filter(
    ({ text, scope }) =>
      scope && names.some((name) => text.includes(name)) && !text.includes("'landfall.tenants'"),
  );
}

/** Runs the statement again in its scope, and rolls it back. */
async function planOf(statement: SentStatement): Promise<readonly PlanNode[]> {
  const { text, values } = statement;
  let plan: PlanNode | undefined;
  const scope = mustHaveScope(statement);
  const rolledBack = withClient(service.database.url, (client) =>
    runInTransaction(client, scope, async () => {
      const { rows } = await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
      plan = rows[0]['QUERY PLAN'][0].Plan;
      throw new Error('rolled back');
    }),
  );
  await expect(rolledBack).rejects.toThrow('rolled back');
  return plan ? planNodesOf(plan) : [];
}

const known = putNote('n1');
/** The resend is counted a moment after the push. */
const isResendCounted = async () => {
  const counted = await service.sql('SELECT FROM replays WHERE tenant_id = $1 AND version > $2', [
    tenant.id,
    rowsPerTenant,
  ]);
  return counted.length > 0;
};
type Work = readonly [what: string, minStatements: number, work: () => Promise<unknown>];
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
      await tenant.push([known, putNote('n2'), removeNote('old-9'), putNote('gone-7')]);
      await tenant.push([putNote('n1', {}, { baseVersion: 1 })]);
      await vi.waitUntil(isResendCounted, { timeout: 30_000, interval: 100 });
    },
  ],
  ['a page', 1, () => tenant.pull({ limit: 50 })],
  ['a list of conflicts', 3, () => auditOf(tenant).conflicts({ state: 'all', limit: 20 })],
  ['a history', 5, () => auditOf(tenant).history('note', 'n1', { limit: 20 })],
  ['a look-up of receipts', 2, () => auditOf(tenant).receipts(known.identityKey)],
];

test.each(works)(
  '%s reads by index, and no more rows than it asks for',
  async (_what, minStatements, work) => {
    const statements = await statementsOf(work);
    expect(statements.length).toBeGreaterThanOrEqual(minStatements);
    expect(new Set(statements.map(({ scope }) => scope?.role))).toEqual(
      new Set(['landfall_service']),
    );
    const found: object[] = [];
    for (const statement of statements.filter(({ text }) => !isInsert.test(text))) {
      const nodes = await planOf(statement);
      for (const node of nodes.filter((one) => one['Relation Name'] ?? one['Index Name'])) {
        const read = node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0);
        const isWhole = node['Node Type'] === 'Seq Scan' && node['Actual Loops'] > 0;
        if (isWhole || read > maxRead) found.push({ statement, node });
      }
    }
    expect(found).toEqual([]);
  },
);

test('a page of a rare entity type is planned for that type, and does not read records of other types', async () => {
  const pages = await statementsOf(() => tenant.pull({ entityTypes: 'rare', limit: 50 }));
  expect(pages.map(({ scope }) => scope?.plan)).toEqual(['custom']);
  for (const node of (await Promise.all(pages.map(planOf))).flat()) {
    const read = (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0);
    expect({ node, read }).toMatchObject({ read: expect.toSatisfy((rows) => rows <= maxRead) });
  }
});

test('retention finds old events by index, in the role of the operator', async () => {
  await letDaysPass(tenant, 200, 1);
  const runRetention = createRetentionRunner(service, { batchRows: 50, eventMs: 86_400_000 });
  const statements = await statementsOf(runRetention);
  expect(new Set(statements.map(({ scope }) => scope?.role))).toEqual(
    new Set(['landfall_operator']),
  );
  const aged = statements.find(({ text }) => text.includes('RECURSIVE search'));
  if (!aged) throw new Error('no statement looked for old events');
  for (const node of await planOf(aged)) {
    if (node['Relation Name'] !== 'events') continue;
    expect(node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)).toBeLessThanOrEqual(1);
  }
});
