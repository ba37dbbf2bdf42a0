import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tenantTables } from '../../src/postgres/tenants/tenant-tables.ts';
import { putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { createLogin, type TestLogin } from '../testkit/postgres/test-login.ts';
import { withClient } from '../testkit/postgres/client.ts';

const tables = [...tenantTables, 'tenants'];

let service: TestApp;
let tenants: readonly Tenant[];
/** A login of a person who reads by SQL. It inherits what the role may do. */
let login: TestLogin;
beforeAll(async () => {
  service = await startApp();
  login = await createLogin(service.database.url, 'IN ROLE landfall_reader');
  tenants = [await createTenant(service), await createTenant(service)];
  for (const tenant of tenants) {
    const stale = putNote('n1', { title: 'stale' }, { baseVersion: 0 });
    await tenant.push([putNote('n1'), putNote('n1', { title: 'later' }), stale]);
    await tenant.push([putNote('n2'), removeNote('n2'), removeNote('n2')]);
  }
});
afterAll(async () => {
  await login.drop();
  await service.close();
});

const read = (text: string, values: readonly unknown[] = []) =>
  withClient(login.url, async (client) => (await client.query(text, [...values])).rows);

const sorted = (values: readonly string[]) => values.toSorted();

describe('a login in the role landfall_reader', () => {
  test('reads the log of every tenant, with the ids of the tenants and the names of the outcomes', async () => {
    const rows = await read(
      `SELECT tenant_id AS tenant, version::int, kind, entity_id AS entity, outcome,
              record_before::int AS before, record_after::int AS after
         FROM landfall.event_log ORDER BY tenant_id, version`,
    );
    const log = (tenant: string) =>
      [
        { version: 1, kind: 'note.put', entity: 'n1', outcome: 'applied', before: 0, after: 1 },
        { version: 2, kind: 'note.put', entity: 'n1', outcome: 'applied', before: 1, after: 2 },
        { version: 3, kind: 'note.put', entity: 'n1', outcome: 'conflict', before: 2, after: 2 },
        { version: 4, kind: 'note.put', entity: 'n2', outcome: 'applied', before: 0, after: 4 },
        { version: 5, kind: 'note.remove', entity: 'n2', outcome: 'applied', before: 4, after: 5 },
        { version: 6, kind: 'note.remove', entity: 'n2', outcome: 'noop', before: 5, after: 5 },
      ].map((row) => ({ tenant, ...row }));
    expect(rows).toEqual(sorted(tenants.map(({ id }) => id)).flatMap(log));
  });

  test('needs no tenant in its session, and is not bound to one that it names', async () => {
    const id = tenants[0]?.id;
    const rows = await withClient(login.url, async (client) => {
      await client.query("SELECT set_config('landfall.tenants', '{}', false)");
      await client.query("SELECT set_config('landfall.tenant_ids', $1, false)", [`{${id}}`]);
      return (await client.query('SELECT DISTINCT tenant_id AS id FROM landfall.event_log')).rows;
    });
    expect(sorted(rows.map((row) => row.id))).toEqual(sorted(tenants.map((tenant) => tenant.id)));
  });

  test.each(tables)('reads %s', async (table) => {
    const [own] = await read(`SELECT count(*)::int AS count FROM landfall.${table}`);
    const [all] = await service.sql(`SELECT count(*)::int AS count FROM ${table}`);
    expect(own).toEqual(all);
  });

  test.each(['tenants', 'events', 'records', 'conflicts'])(
    'finds rows of every tenant in %s',
    async (table) => {
      const column = table === 'tenants' ? 'no' : 'tenant_no';
      const found = await read(`SELECT DISTINCT ${column} FROM landfall.${table}`);
      expect(found).toHaveLength(tenants.length);
    },
  );

  test.each(['instance', 'kind_schemas', 'migrations'])('may not read %s', async (table) => {
    await expect(read(`SELECT FROM landfall.${table}`)).rejects.toThrow(/permission denied/);
  });

  test('may do no more than read, in no table and no view', async () => {
    const grants = await service.sql<{ grants: string }>(
      `SELECT format('%s %s', relname, string_agg(privilege, ', ' ORDER BY privilege)) AS grants
         FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES',
                                     'TRIGGER']) AS privilege
        WHERE relkind IN ('r', 'v', 'p') AND relnamespace = 'landfall'::regnamespace
          AND has_table_privilege($1, oid, privilege)
        GROUP BY relname ORDER BY relname`,
      [login.name],
    );
    const readable = sorted([...tables, 'event_log']).map((table) => `${table} SELECT`);
    expect(sorted(grants.map((row) => row.grants))).toEqual(readable);
    const columns = await service.sql(
      `SELECT FROM information_schema.column_privileges
        WHERE grantee = 'landfall_reader' AND privilege_type <> 'SELECT'`,
    );
    expect(columns).toEqual([]);
  });

  test.each([
    ...[...tables, 'event_log'].flatMap((table) => {
      const column = table === 'tenants' ? 'id' : table === 'event_log' ? 'kind' : 'version';
      return [
        `UPDATE landfall.${table} SET ${column} = ${column}`,
        `DELETE FROM landfall.${table}`,
        `INSERT INTO landfall.${table} SELECT * FROM landfall.${table}`,
        `SELECT FROM landfall.${table} FOR KEY SHARE`,
      ];
    }),
    'TRUNCATE landfall.records',
    'CREATE TABLE landfall.mine ()',
    'CREATE TABLE public.mine ()',
    `SELECT nextval('landfall.tenant_numbers_no_seq')`,
    'SET ROLE landfall_service',
    'SET ROLE landfall_operator',
    'CREATE OR REPLACE VIEW landfall.event_log AS SELECT 1 AS one',
    'SET row_security = off; SELECT FROM landfall.records',
  ])('may not: %s', async (statement) => {
    await expect(read(statement)).rejects.toThrow(
      /permission denied|must be owner|cannot (update|delete|insert|lock)|affected by row-level/,
    );
  });
});

test('the service and its tenants do not read the log by the view of the readers', async () => {
  for (const role of ['landfall_service', 'landfall_operator']) {
    const asRole = withClient(service.database.url, async (client) => {
      await client.query(`SET ROLE ${role}`);
      return client.query('SELECT FROM landfall.event_log');
    });
    await expect(asRole).rejects.toThrow(/permission denied/);
  }
});
