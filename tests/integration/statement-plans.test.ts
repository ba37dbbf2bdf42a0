import { globSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  runInTransaction,
  type TransactionScope,
} from '../../src/postgres/client/transaction.sql.ts';
import { findByPlaceOnly } from '../../src/postgres/ingest/write.sql.ts';
import { tenantTables } from '../../src/postgres/tenants/tenant-tables.ts';
import { allWork, allWorkKinds } from '../testkit/app/all-work.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { fillTenant } from '../testkit/postgres/fill-tenant.ts';
import { insertTenantsText, moveHead } from '../testkit/postgres/tenant-history.ts';
import {
  isWideRead,
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

let service: TestApp;
/** The same with GROUP_TENANTS=1, which sends some statements in another form. */
let oneTenantService: TestApp;
/** Every statement that the service sends, each text once for each kind of plan. */
let statements: readonly SentStatement[];
/** A database whose tables are empty, and were never analysed. */
let newDatabase: TestDatabase;
/** A database whose tables were analysed while they were empty. */
let analysedDatabase: TestDatabase;

beforeAll(async () => {
  service = await startApp({ kinds: allWorkKinds });
  const { database } = service;
  oneTenantService = await startApp({ kinds: allWorkKinds, database, env: { GROUP_TENANTS: '1' } });
  [statements, newDatabase, analysedDatabase] = await Promise.all([
    everyStatement(),
    createDatabase(),
    createDatabase(),
  ]);
  for (const { url } of [newDatabase, analysedDatabase]) {
    await withClient(url, async (client) => {
      for (const table of tables)
        await client.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
    });
  }
  await withClient(analysedDatabase.url, (client) => client.query('VACUUM ANALYZE'));
}, 240_000);
afterAll(async () => {
  await Promise.all([newDatabase.drop(), analysedDatabase.drop()]);
  await oneTenantService.close();
  await service.close();
});

/** Makes the services send each of their statements, by everything that they can be asked to do. */
async function everyStatement(): Promise<readonly SentStatement[]> {
  const sent = await sentStatements(async () => {
    for (const each of [service, oneTenantService]) {
      const place = { service: each, tenant: await createTenant(each) };
      for (const work of allWork) await work.run(place);
    }
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

  // A new statement has to be sent by one of the works.
  test.each(texts)('$file: $begins', ({ text }) => {
    const literal = text.split('?').map((part) => part.replaceAll(/[.*+^${}()|[\]\\]/g, '\\$&'));
    const pattern = new RegExp(literal.join('[^]*'));
    expect(statements.some((statement) => pattern.test(statement.text))).toBe(true);
  });
});

interface ScopedStatement extends SentStatement {
  readonly scope: TransactionScope;
}

/** The statements that read or write rows of tenants. */
function tenantStatements(): readonly ScopedStatement[] {
  return statements.flatMap((statement) => {
    const { scope, text } = statement;
    const isSettings = /'landfall\.tenants'|^SET /.test(text);
    const hasTenantTable = tables.some((table) => text.includes(table));
    return scope && hasTenantTable && !isSettings ? [{ ...statement, scope }] : [];
  });
}

const genericStatements = () => tenantStatements().filter(({ scope }) => scope.plan === 'generic');

/** The generic plan of a prepared statement, or the custom plan for the values of the statement. */
async function planOf(
  { url }: TestDatabase,
  { text, values, scope, byPlace }: ScopedStatement,
): Promise<readonly PlanNode[]> {
  const explain = 'EXPLAIN (FORMAT JSON)';
  const { rows } = await withClient(url, (client) =>
    runInTransaction(client, scope, { schema: 'landfall', form: 'many' }, async () => {
      if (byPlace) await client.query(findByPlaceOnly);
      if (scope.plan === 'custom') return client.query(`${explain} ${text}`, [...values]);
      await client.query(`PREPARE kept AS ${text}`);
      const unknown = values.length > 0 ? `(${values.map(() => 'NULL').join(', ')})` : '';
      return client.query(`${explain} EXECUTE kept ${unknown}`);
    }),
  );
  return planNodesOf(rows[0]['QUERY PLAN'][0].Plan);
}

async function wideReads(
  database: TestDatabase,
  checked: readonly ScopedStatement[],
): Promise<readonly object[]> {
  const found: object[] = [];
  for (const statement of checked) {
    const { text } = statement;
    const nodes = await planOf(database, statement);
    found.push(...nodes.filter((node) => isWideRead(node, text)).map((node) => ({ text, node })));
  }
  return found;
}

/** Fills the tables without ANALYZE, as a restore or a first day of many pushes does. */
async function fillTables(): Promise<void> {
  await withClient(analysedDatabase.url, async (client) => {
    const query = (text: string, values: readonly unknown[]) => client.query(text, [...values]);
    for (const id of ['a tenant', 'a neighbour']) {
      await query(insertTenantsText('VALUES ($1)', { horizon: '1' }), [id]);
      await fillTenant(query, id, [1, rowsPerTenant]);
      await moveHead(query, id, rowsPerTenant);
    }
    await client.query(
      insertTenantsText(`SELECT 'tenant ' || v FROM generate_series(1, ${rowsPerTenant}) AS v`, {
        head: '1',
      }),
    );
  });
}

test('there are statements with a generic plan', () => {
  expect(genericStatements().length).toBeGreaterThanOrEqual(15);
});

test('no generic plan reads a whole table where the tables are empty and were never analysed', async () => {
  expect(await wideReads(newDatabase, genericStatements())).toEqual([]);
});

test('no generic plan reads a whole table where the tables were analysed while they were empty', async () => {
  expect(await wideReads(analysedDatabase, genericStatements())).toEqual([]);
});

test('no plan reads a whole table where the tables were filled since and not analysed again', async () => {
  await fillTables();
  expect(await wideReads(analysedDatabase, tenantStatements())).toEqual([]);
}, 120_000);
