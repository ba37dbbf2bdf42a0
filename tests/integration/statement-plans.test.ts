import { bundledKinds } from '../../src/systems/bundled.ts';
import { globSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { accept, putRecord } from '../../src/domain/kinds/decisions.ts';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { payload } from '../../src/domain/kinds/payload-versions.ts';
import { decide } from '../../src/domain/kinds/policies.ts';
import { createRegistry } from '../../src/domain/kinds/registry.ts';
import { listSchemas } from '../../src/domain/kinds/schema-fingerprints.ts';
import { readInstanceKeys } from '../../src/postgres/instance/instance-keys.ts';
import { createKindSchemaStore } from '../../src/postgres/kind-schemas/kind-schema-store.ts';
import { createPool } from '../../src/postgres/client/pool.ts';
import { tenantTables } from '../../src/postgres/tenants/tenant-tables.ts';
import {
  runInTransaction,
  type TransactionScope,
} from '../../src/postgres/client/transaction.sql.ts';
import { createTenantRemoval } from '../../src/postgres/tenants/tenant-removal.ts';
import { auditOf } from '../testkit/oracle/audit.ts';
import { noteKinds } from '../testkit/oracle/audit-kinds.ts';
import { nextKey, put, remove } from '../testkit/oracle/events.ts';
import { createTenant } from '../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../testkit/app.ts';
import { createDatabase, type TestDatabase } from '../testkit/database.ts';
import { fillTenant } from '../testkit/fill-tenant.ts';
import { createCleaner } from '../testkit/retention.ts';
import {
  nodesOf,
  type PlanNode,
  sentStatements,
  type Statement,
} from '../testkit/sent-statements.ts';
import { withClient } from '../testkit/template.ts';
import { textsOf } from '../testkit/module-texts.ts';

const tables = [...tenantTables, 'tenants'];
/** Of each of two tenants, in each table: what no statement may read as a whole. */
const rowsOfTenant = 15_000;

/** It writes a record beside its own. */
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
/** All that the service ever sends, each text once. */
let statements: readonly Statement[];
/** Another database, whose tables were analysed while they were empty. */
let analysed: TestDatabase;
let tenantId: string;

beforeAll(async () => {
  service = await startApp({ kinds: [...noteKinds, noteMoved] });
  [statements, analysed] = await Promise.all([everyStatement(), createDatabase()]);
  await withClient(analysed.url, async (client) => {
    for (const table of tables)
      await client.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
    await client.query('VACUUM ANALYZE');
  });
});
afterAll(async () => {
  await analysed.drop();
  await service.close();
});

/** Sends each statement that there is, by doing all that the service can be asked for. */
async function everyStatement(): Promise<readonly Statement[]> {
  const sent = await sentStatements(async () => {
    const pool = createPool({
      connectionString: service.database.url,
      max: 1,
      onIdleError: () => {},
    });
    await readInstanceKeys(pool);
    const tenant = await createTenant(service);
    tenantId = tenant.id;
    const known = put('n1');
    const conflicts = ['c1', 'c2'].map((identityKey) =>
      put('n1', { title: identityKey }, { identityKey, baseVersion: 0 }),
    );
    const moved = { identityKey: nextKey(), kind: 'note.moved', payload: { id: 'n3', shelf: 's' } };
    await tenant.push([known, put('n2'), moved, ...conflicts, remove('n2')]);
    await tenant.push([known]);
    // A base later than the record, which is looked up.
    await tenant.push([put('n1', { title: 'moved' }, { baseVersion: 2 })]);
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
    await createCleaner(service, { tombstoneMs: 1, eventMs: 1 })();
    // What was purged is looked up from now on.
    await tenant.push([put('n2')]);
    const shipped = listSchemas(createRegistry(bundledKinds)).slice(0, 2);
    await createKindSchemaStore(pool).keep(shipped, () => {});
    const removal = createTenantRemoval(pool);
    await removal.count(tenant.id, 10);
    await removal.remove(tenant.id, 10);
    await pool.end();
  });
  return [...new Map(sent.map((one) => [`${one.text} ${one.scope?.plan}`, one])).values()];
}

describe('every statement is looked at', () => {
  const folder = new URL('../../src/postgres/', import.meta.url);
  const texts = globSync('**/*.sql.ts', { cwd: folder }).flatMap((file) => {
    return textsOf(file, readFileSync(new URL(file, folder), 'utf8'))
      .filter((text) => /^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s/.test(text))
      .map((text) => ({ file, text, begins: text.trim().split('\n', 2).join(' ') }));
  });

  test('there are some', () => expect(texts.length).toBeGreaterThan(25));

  // Whoever adds a statement has it sent by `everyStatement`.
  test.each(texts)('of $file: $begins', ({ text }) => {
    const literal = text.split('?').map((part) => part.replaceAll(/[.*+^${}()|[\]\\]/g, '\\$&'));
    const pattern = new RegExp(literal.join('[^]*'));
    expect(statements.some((statement) => pattern.test(statement.text))).toBe(true);
  });
});

interface Planned {
  readonly text: string;
  readonly values: readonly unknown[];
  readonly scope: TransactionScope;
}

/** Those that read or write rows of tenants. */
function ofTables(): readonly Planned[] {
  return statements.flatMap(({ scope, text, values }) => {
    const isSettings = text.includes("'landfall.tenants'");
    const isOfTables = tables.some((table) => text.includes(table));
    return scope && isOfTables && !isSettings ? [{ text, values, scope }] : [];
  });
}

/** The plan that is kept for whatever values, or the one for the values at hand. */
async function planOf({ text, values, scope }: Planned): Promise<readonly PlanNode[]> {
  const explain = 'EXPLAIN (FORMAT JSON)';
  const { rows } = await withClient(analysed.url, (client) =>
    runInTransaction(client, scope, async () => {
      if (scope.plan === 'custom') return client.query(`${explain} ${text}`, [...values]);
      await client.query(`PREPARE kept AS ${text}`);
      const unknown = values.length > 0 ? `(${values.map(() => 'NULL').join(', ')})` : '';
      return client.query(`${explain} EXECUTE kept ${unknown}`);
    }),
  );
  return nodesOf(rows[0]['QUERY PLAN'][0].Plan);
}

/** These are about all that a tenant has, up to a number of rows. */
const ofWholeTenants = /^\s*(SELECT count|DELETE FROM \w+\s+WHERE ctid)/;
const byTenant = /\btenant_id = /;
const byTenantAndMore = /\btenant_id = .* AND /;
const ofTenant = /\bid [=>] /;

/** Whether a node reads more of a table than its statement asks for. */
function isWide(node: PlanNode, text: string): boolean {
  const { 'Node Type': type, 'Index Cond': condition = '', 'Index Name': index } = node;
  // A table is read by where its rows are, and these come from an index.
  if (index === undefined) return type === 'Seq Scan';
  if (index.startsWith('tenants')) return !ofTenant.test(condition);
  return !(ofWholeTenants.test(text) ? byTenant : byTenantAndMore).test(condition);
}

async function wideReads(planned: readonly Planned[]): Promise<readonly object[]> {
  const found: object[] = [];
  for (const statement of planned) {
    const { text } = statement;
    const nodes = await planOf(statement);
    found.push(...nodes.filter((node) => isWide(node, text)).map((node) => ({ text, node })));
  }
  return found;
}

/** As a restore, or a first day of many pushes, leaves them before anybody analyses them. */
async function fillTables(): Promise<void> {
  await withClient(analysed.url, async (client) => {
    const query = (text: string, values: readonly unknown[]) => client.query(text, [...values]);
    for (const id of [tenantId, 'a neighbour']) {
      await fillTenant(query, id, [1, rowsOfTenant]);
      await query('INSERT INTO tenants (id, head, horizon) VALUES ($1, $2, 1)', [id, rowsOfTenant]);
    }
    await client.query(
      `INSERT INTO tenants (id, head) SELECT 'tenant ' || v, 1 FROM generate_series(1, ${rowsOfTenant}) AS v`,
    );
  });
}

test('no plan that is kept turns round where the tables were analysed while they were empty', async () => {
  const kept = ofTables().filter(({ scope }) => scope.plan === 'generic');
  expect(kept.length).toBeGreaterThanOrEqual(15);
  expect(await wideReads(kept)).toEqual([]);
});

test('no plan does where they were filled since, and nobody has analysed them', async () => {
  await fillTables();
  expect(await wideReads(ofTables())).toEqual([]);
}, 120_000);
