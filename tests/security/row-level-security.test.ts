import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { withClient } from '../testkit/postgres/client.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const query = async <Row extends object>(text: string, values: readonly unknown[] = []) => {
  const { rows } = await withClient(database.url, (client) => client.query<Row>(text, [...values]));
  return rows;
};

/** Reads the tables from the catalogue, so that the tests also check tables of later migrations. */
const tablesOfTenants = () =>
  query<{ name: string; enabled: boolean; forced: boolean }>(
    `SELECT relname AS name, relrowsecurity AS enabled, relforcerowsecurity AS forced
       FROM pg_class
      WHERE relkind IN ('r', 'p') AND relnamespace = 'landfall'::regnamespace
        AND (relname = 'tenants' OR EXISTS (
          SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'tenant_no'))
      ORDER BY relname`,
  );

test('every table with a tenant_no, and the table of tenants, forces row level security', async () => {
  const tables = await tablesOfTenants();
  expect(tables.length).toBeGreaterThanOrEqual(7);
  for (const { enabled, forced, name } of tables) {
    expect({ name, enabled, forced }).toEqual({ name, enabled: true, forced: true });
  }
});

const ofTenants = String.raw`= ANY \(.*'landfall\.tenants'.*::integer\[\]\)`;
const ofTenantIds = String.raw`id = ANY \(.*'landfall\.tenant_ids'.*::text\[\]\)`;

test('each of them has one policy for the listed tenants, one for the operator, one for readers, and no other permissive one', async () => {
  for (const { name } of await tablesOfTenants()) {
    const policies = await query(
      `SELECT array_to_string(roles, ',') AS roles, cmd, qual AS using, with_check AS check FROM pg_policies
        WHERE schemaname = 'landfall' AND tablename = $1 AND permissive = 'PERMISSIVE'
        ORDER BY roles`,
      [name],
    );
    const own =
      name === 'tenants'
        ? String.raw`^\(\(no ${ofTenants}\) OR \(${ofTenantIds}\)\)$`
        : String.raw`^\(\(tenant_no ${ofTenants}\) IS TRUE\)$`;
    expect({ name, policies }).toEqual({
      name,
      policies: [
        { roles: 'landfall_operator', cmd: 'ALL', using: 'true', check: null },
        { roles: 'landfall_reader', cmd: 'SELECT', using: 'true', check: null },
        {
          ...{ roles: 'landfall_service', cmd: 'ALL', check: null },
          using: expect.stringMatching(new RegExp(own, 's')),
        },
      ],
    });
  }
});

describe.each(['landfall_service', 'landfall_operator', 'landfall_reader'])(
  'the role %s',
  (role) => {
    test('cannot log in and cannot bypass row level security', async () => {
      const [attributes] = await query(
        `SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb
         FROM pg_roles WHERE rolname = $1`,
        [role],
      );
      expect(new Set(Object.values(attributes ?? {}))).toEqual(new Set([false]));
    });

    test('owns nothing and is a member of nothing', async () => {
      const owned = await query(
        `SELECT FROM pg_shdepend WHERE refobjid = $1::regrole AND deptype = 'o'`,
        [role],
      );
      expect(owned).toEqual([]);
      const memberships = await query('SELECT FROM pg_auth_members WHERE member = $1::regrole', [
        role,
      ]);
      expect(memberships).toEqual([]);
    });

    test.each([
      'TRUNCATE records',
      'ALTER TABLE records DISABLE ROW LEVEL SECURITY',
      'ALTER TABLE records NO FORCE ROW LEVEL SECURITY',
      'DROP POLICY of_tenants ON records',
      'CREATE POLICY mine ON records USING (true)',
      'CREATE TRIGGER mine BEFORE INSERT ON records EXECUTE FUNCTION suppress_redundant_updates_trigger()',
      'DROP TABLE records',
      'CREATE TABLE landfall.mine ()',
      'CREATE TABLE public.mine ()',
      'UPDATE instance SET secret = secret',
      'DELETE FROM migrations',
    ])('may not: %s', async (statement) => {
      await expect(
        withClient(database.url, async (client) => {
          await client.query(`SET ROLE ${role}`);
          await client.query(statement);
        }),
      ).rejects.toThrow(/permission denied|must be owner/);
    });
  },
);

test('the service may write only the columns that it needs, and delete nothing', async () => {
  const grants = await query<{ grants: string }>(
    `SELECT format('%s %s', relname, string_agg(privilege, ', ' ORDER BY privilege)) AS grants
       FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES',
                                   'TRIGGER']) AS privilege
      WHERE relkind = 'r' AND relnamespace = 'landfall'::regnamespace
        AND has_table_privilege('landfall_service', oid, privilege)
      GROUP BY relname ORDER BY relname`,
  );
  expect(grants.map((row) => row.grants)).toEqual([
    'conflicts INSERT, SELECT',
    'effects INSERT, SELECT',
    'events INSERT, SELECT',
    'instance SELECT',
    'migrations SELECT',
    'purged_records SELECT',
    'records INSERT, SELECT, UPDATE',
    'resends INSERT, SELECT, UPDATE',
    'tenant_numbers SELECT',
    // A distributed table takes no INSERT by column.
    'tenants INSERT, SELECT',
  ]);
  const columns = await query<{ name: string }>(
    `SELECT format('%s.%s %s', table_name, column_name, privilege_type) AS name
       FROM information_schema.column_privileges
      WHERE grantee = 'landfall_service' AND (table_name, privilege_type) IN (
        ('tenant_numbers', 'INSERT'), ('tenants', 'UPDATE'), ('events', 'UPDATE'), ('conflicts', 'UPDATE'))
      ORDER BY 1`,
  );
  expect(columns.map(({ name }) => name)).toEqual([
    'conflicts.resolution UPDATE',
    'conflicts.resolved_version UPDATE',
    'events.clock_adjusted UPDATE',
    'tenant_numbers.id INSERT',
    'tenants.head UPDATE',
    'tenants.head_key_hash UPDATE',
    'tenants.head_received_at UPDATE',
  ]);
});
