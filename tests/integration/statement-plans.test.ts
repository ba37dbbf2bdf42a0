import { bundledKinds } from '../../src/systems/bundled.ts';
import { globSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { accept, decide, putRecord } from '../../src/domain/kinds/policies/decide.ts';
import { createRegistry } from '../../src/domain/kinds/registry.ts';
import { listSchemas } from '../../src/domain/kinds/shipped-schemas.ts';
import { readInstanceKeys } from '../../src/postgres/instance/instance-keys.ts';
import { createKindSchemaStore } from '../../src/postgres/kind-schemas/kind-schema-store.ts';
import { createPool } from '../../src/postgres/client/pool.ts';
import { tenantTables } from '../../src/postgres/tenants/tenant-tables.ts';
import {
  runInTransaction,
  type TransactionScope,
} from '../../src/postgres/client/transaction.sql.ts';
import { createTenantRemoval } from '../../src/postgres/tenants/tenant-removal.ts';
import { auditOf } from '../testkit/app/audit.ts';
import { noteKinds } from '../testkit/kinds/storeroom-kinds.ts';
import { nextKey, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { fillTenant } from '../testkit/postgres/fill-tenant.ts';
import { createRetentionRunner } from '../testkit/app/retention.ts';
import {
  planNodesOf,
  type PlanNode,
  sentStatements,
  type SentStatement,
} from '../testkit/postgres/sent-statements.ts';
import { withClient } from '../testkit/postgres/client.ts';
import { stringLiteralsOf } from '../testkit/repository/string-literals.ts';

const tables = [...tenantTables, 'tenants'];
/** The rows of each of two tenants in each table. No statement may read all of them. */
const rowsPerTenant = 15_000;

/** A kind whose event also writes a record of another entity. */
const noteMoved = defineKind({
  name: 'note.moved',
  entityType: 'note',
  payload: payload(z.strictObject({ id: z.string(), shelf: z.string() })),
  entityId: ({ id }) => id,
  policy: decide({
    reads: ({ shelf }) => [{ entityType: 'shelf', entityId: shelf }],
    decide: ({ id, shelf }) =>
      accept(
        putRecord({ entityType: 'note', entityId: id }, { shelf }),
        putRecord({ entityType: 'shelf', entityId: shelf }, { newest: id }),
      ),
  }),
});

let service: TestApp;
/** Every statement that the service sends, each text once for each kind of plan. */
let statements: readonly SentStatement[];
/** A second database, whose tables were analysed while they were empty. */
let analysedDatabase: TestDatabase;
let tenantId: string;

beforeAll(async () => {
  service = await startApp({ kinds: [...noteKinds, noteMoved] });
  [statements, analysedDatabase] = await Promise.all([everyStatement(), createDatabase()]);
  await withClient(analysedDatabase.url, async (client) => {
    for (const table of tables)
      await client.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
    await client.query('VACUUM ANALYZE');
  });
});
afterAll(async () => {
  await analysedDatabase.drop();
  await service.close();
});

/** Makes the service send each of its statements, by everything that it can be asked to do. */
async function everyStatement(): Promise<readonly SentStatement[]> {
  const sent = await sentStatements(async () => {
    const pool = createPool({
      connectionString: service.database.url,
      max: 1,
      onIdleError: () => {},
    });
    await readInstanceKeys(pool);
    const tenant = await createTenant(service);
    tenantId = tenant.id;
    const known = putNote('n1');
    const conflicts = ['c1', 'c2'].map((identityKey) =>
      putNote('n1', { title: identityKey }, { identityKey, baseVersion: 0 }),
    );
    const moved = { identityKey: nextKey(), kind: 'note.moved', payload: { id: 'n3', shelf: 's' } };
    await tenant.push([known, putNote('n2'), moved, ...conflicts, removeNote('n2')]);
    await tenant.push([known]);
    // The base is later than the version of the record, so the event of the base is looked up.
    await tenant.push([putNote('n1', { title: 'moved' }, { baseVersion: 2 })]);
    await vi.waitUntil(async () => (await service.sql('SELECT FROM replays')).length > 0, {
      ...{ timeout: 30_000, interval: 50 },
    });
    const { checkpoint } = await tenant.pull({ entityTypes: 'note' });
    await tenant.pull({ entityTypes: 'note', since: checkpoint });
    await tenant.pull({ entityTypes: 'note,shelf', since: checkpoint });
    await tenant.pull({ limit: 1 });
    const audit = auditOf(tenant);
    for (const state of ['open', 'resolved', 'all']) await audit.conflicts({ state });
    await audit.conflicts({ entityType: 'note', entityId: 'n1' });
    await audit.resolve('c1', { resolution: 'discard' });
    await audit.history('note', 'n1');
    await audit.history('shelf', 's');
    await audit.receipts(known.identityKey, 'c1');
    await sleep(5);
    await createRetentionRunner(service, { tombstoneMs: 1, eventMs: 1 })();
    // From now on pushes look up purged records.
    await tenant.push([putNote('n2')]);
    const shipped = listSchemas(createRegistry(bundledKinds)).slice(0, 2);
    await createKindSchemaStore(pool).keep(shipped, () => {});
    const removal = createTenantRemoval(pool);
    await removal.count(tenant.id, 10);
    await removal.remove(tenant.id, 10);
    await pool.end();
  });
  return [...new Map(sent.map((one) => [`${one.text} ${one.scope?.plan}`, one])).values()];
}

describe('the plan of every statement is checked', () => {
  const folder = new URL('../../src/postgres/', import.meta.url);
  const texts = globSync('**/*.sql.ts', { cwd: folder }).flatMap((file) => {
    return stringLiteralsOf(file, readFileSync(new URL(file, folder), 'utf8'))
      .filter((text) => /^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s/.test(text))
      .map((text) => ({ file, text, begins: text.trim().split('\n', 2).join(' ') }));
  });

  test('the files of src/postgres have statements', () => expect(texts.length).toBeGreaterThan(25));

  // A new statement has to be sent by `everyStatement`.
  test.each(texts)('$file: $begins', ({ text }) => {
    const literal = text.split('?').map((part) => part.replaceAll(/[.*+^${}()|[\]\\]/g, '\\$&'));
    const pattern = new RegExp(literal.join('[^]*'));
    expect(statements.some((statement) => pattern.test(statement.text))).toBe(true);
  });
});

interface ScopedStatement {
  readonly text: string;
  readonly values: readonly unknown[];
  readonly scope: TransactionScope;
}

/** The statements that read or write rows of tenants. */
function tenantStatements(): readonly ScopedStatement[] {
  return statements.flatMap(({ scope, text, values }) => {
    const isSettings = text.includes("'landfall.tenants'");
    const hasTenantTable = tables.some((table) => text.includes(table));
    return scope && hasTenantTable && !isSettings ? [{ text, values, scope }] : [];
  });
}

/** The generic plan of a prepared statement, or the custom plan for the values of the statement. */
async function planOf({ text, values, scope }: ScopedStatement): Promise<readonly PlanNode[]> {
  const explain = 'EXPLAIN (FORMAT JSON)';
  const { rows } = await withClient(analysedDatabase.url, (client) =>
    runInTransaction(client, scope, async () => {
      if (scope.plan === 'custom') return client.query(`${explain} ${text}`, [...values]);
      await client.query(`PREPARE kept AS ${text}`);
      const unknown = values.length > 0 ? `(${values.map(() => 'NULL').join(', ')})` : '';
      return client.query(`${explain} EXECUTE kept ${unknown}`);
    }),
  );
  return planNodesOf(rows[0]['QUERY PLAN'][0].Plan);
}

/** Statements that may read a whole tenant, up to a number of rows. */
const readsWholeTenants = /^\s*(SELECT count|DELETE FROM \w+\s+WHERE ctid)/;
const byTenant = /\btenant_id = /;
const byTenantAndMore = /\btenant_id = .* AND /;
const byId = /\bid [=>] /;

/** Whether a node of a plan may read more of a table than its statement asks for. */
function isWide(node: PlanNode, text: string): boolean {
  const { 'Node Type': type, 'Index Cond': condition = '', 'Index Name': index } = node;
  // Other nodes without an index read rows at places that came from an index.
  if (index === undefined) return type === 'Seq Scan';
  if (index.startsWith('tenants')) return !byId.test(condition);
  return !(readsWholeTenants.test(text) ? byTenant : byTenantAndMore).test(condition);
}

async function wideReads(checked: readonly ScopedStatement[]): Promise<readonly object[]> {
  const found: object[] = [];
  for (const statement of checked) {
    const { text } = statement;
    const nodes = await planOf(statement);
    found.push(...nodes.filter((node) => isWide(node, text)).map((node) => ({ text, node })));
  }
  return found;
}

/** Fills the tables without ANALYZE, as a restore or a first day of many pushes does. */
async function fillTables(): Promise<void> {
  await withClient(analysedDatabase.url, async (client) => {
    const query = (text: string, values: readonly unknown[]) => client.query(text, [...values]);
    for (const id of [tenantId, 'a neighbour']) {
      await fillTenant(query, id, [1, rowsPerTenant]);
      await query('INSERT INTO tenants (id, head, horizon) VALUES ($1, $2, 1)', [
        id,
        rowsPerTenant,
      ]);
    }
    await client.query(
      `INSERT INTO tenants (id, head) SELECT 'tenant ' || v, 1 FROM generate_series(1, ${rowsPerTenant}) AS v`,
    );
  });
}

test('no generic plan reads a whole table where the tables were analysed while they were empty', async () => {
  const generic = tenantStatements().filter(({ scope }) => scope.plan === 'generic');
  expect(generic.length).toBeGreaterThanOrEqual(15);
  expect(await wideReads(generic)).toEqual([]);
});

test('no plan reads a whole table where the tables were filled since and not analysed again', async () => {
  await fillTables();
  expect(await wideReads(tenantStatements())).toEqual([]);
}, 120_000);
