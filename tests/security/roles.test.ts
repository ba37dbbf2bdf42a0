import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { migrate } from '../../src/postgres/migrate/migrate.ts';
import { createRetentionPass } from '../../src/retention/retention-pass.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { put, remove } from '../testkit/oracle/events.ts';
import { createTenant } from '../testkit/oracle/tenant.ts';
import { startApp } from '../testkit/app.ts';
import { createLogin, type TestLogin } from '../testkit/logins.ts';
import { startTemporary, type TestServer } from '../testkit/postgres.ts';
import { letDaysPass } from '../testkit/retention.ts';
import { withClient, withDatabase } from '../testkit/template.ts';

const roles = ['landfall_service', 'landfall_operator'];
const hooks = { onMigrated: () => {}, onIdleError: () => {}, onRetry: () => {} };
const dayMs = 86_400_000;

/** A cluster of its own: roles are the cluster's, and here they are made and removed. */
let server: TestServer;
/** Who owns the databases of a test. */
let owner: TestLogin | undefined;
let databases: string[] = [];
beforeAll(async () => {
  server = await startTemporary();
});
afterAll(() => server.stop());
beforeEach(() => {
  databases = [];
});
afterEach(async () => {
  for (const name of databases) await admin(`DROP DATABASE "${name}" WITH (FORCE)`);
  for (const role of roles) await admin(`DROP ROLE IF EXISTS ${role}`);
  await owner?.drop();
  owner = undefined;
});

const admin = (sql: string, database?: string) =>
  withClient(database ? withDatabase(server.url, database) : server.url, (client) =>
    client.query(sql),
  );

/** @returns the URL of an empty database, for its owner */
async function createOwned(attributes: string): Promise<string> {
  owner ??= await createLogin(server.url, attributes);
  const name = `owned_${randomUUID().slice(0, 8)}`;
  await admin(`CREATE DATABASE "${name}" OWNER "${owner.name}"`);
  databases.push(name);
  return withDatabase(owner.url, name);
}

const rolesThere = async () => {
  const { rows } = await admin(`SELECT rolname FROM pg_roles WHERE rolname LIKE 'landfall\\_%'`);
  return rows.map(({ rolname }) => rolname).filter((name) => roles.includes(name));
};

describe('the first migration of a cluster', () => {
  test('makes the roles and joins them where the login may create roles', async () => {
    const url = await createOwned('CREATEROLE');
    await migrate(url);
    expect(new Set(await rolesThere())).toEqual(new Set(roles));
    for (const role of roles) {
      await withClient(url, (client) => client.query(`SET ROLE ${role}`));
    }
  });

  test('says what an administrator has to run where it may not, and works once that was run', async () => {
    const url = await createOwned('NOCREATEROLE');
    const failure: Error = await migrate(url).catch((error) => error);
    const wanted =
      'CREATE ROLE landfall_service NOLOGIN; CREATE ROLE landfall_operator NOLOGIN; ' +
      `GRANT landfall_service, landfall_operator TO ${owner?.name} WITH INHERIT FALSE, SET TRUE`;
    expect(failure.message).toContain(`an administrator has to run ${wanted}`);
    expect(failure.message).not.toContain('\n');
    expect(await rolesThere()).toEqual([]);
    await admin(wanted);
    await migrate(url);
  });

  test('asks for the membership alone where the roles are there', async () => {
    const url = await createOwned('NOCREATEROLE');
    for (const role of roles) await admin(`CREATE ROLE ${role} NOLOGIN`);
    await expect(migrate(url)).rejects.toThrow(
      /has to run GRANT landfall_service, landfall_operator TO /,
    );
  });

  test.each(['SUPERUSER', 'BYPASSRLS'])('refuses a role that is there as %s', async (attribute) => {
    const url = await createOwned('CREATEROLE');
    await admin(`CREATE ROLE landfall_service NOLOGIN ${attribute}`);
    await expect(migrate(url)).rejects.toThrow(
      /ALTER ROLE landfall_service NOSUPERUSER NOBYPASSRLS/,
    );
  });

  test('goes well in several databases at once, and after it in another', async () => {
    const urls: string[] = [];
    for (let count = 0; count < 6; count += 1) urls.push(await createOwned('CREATEROLE'));
    const applied = await Promise.all(urls.map((url) => migrate(url)));
    expect(new Set(applied.map((names) => names.length)).size).toBe(1);
    await migrate(await createOwned('CREATEROLE'));
  });
});

test('an owner that is no superuser is bound too: it sees no row, unless it says as whom it works', async () => {
  const url = await createOwned('CREATEROLE');
  await migrate(url);
  await withClient(url, async (client) => {
    await client.query('SET ROLE landfall_operator');
    await client.query("INSERT INTO tenants (id) VALUES ('t1')");
    await client.query('RESET ROLE');
    expect((await client.query('SELECT id FROM tenants')).rows).toEqual([]);
    await client.query('SET ROLE landfall_operator');
    expect((await client.query('SELECT id FROM tenants')).rows).toEqual([{ id: 't1' }]);
  });
});

test('everything works for an owner that is no superuser: push, pull, audit, retention, removal', async () => {
  const url = await createOwned('CREATEROLE');
  const service = await startApp({ database: { url, drop: async () => {} } });
  const asOperator: typeof service = {
    ...service,
    // The tests' own look into the tables is the owner's, who has to say as whom it looks.
    sql: (text, values = []) =>
      withClient(url, async (client) => {
        await client.query('SET ROLE landfall_operator');
        return (await client.query(text, [...values])).rows;
      }),
  };
  try {
    const tenant = await createTenant(asOperator);
    await tenant.push([put('n1'), put('n2'), remove('n1')]);
    expect((await tenant.pull()).changes).toHaveLength(1);
    expect(
      (await service.request({ url: '/api/sync/entities/note/n1/events', sender: tenant.sender() }))
        .body.events,
    ).toHaveLength(2);
    await letDaysPass(tenant, 100);
    const database = await openDatabase({ connectionString: url, poolSize: 2, hooks });
    const pass = createRetentionPass(database.retention, {
      tombstoneMs: 90 * dayMs,
      eventMs: 90 * dayMs,
    });
    const report = await pass(new AbortController().signal);
    expect(report).toMatchObject({ tombstones: 1, payloads: 3, errors: [] });
    const removed = await database.tenantRemoval.remove(tenant.id, 10);
    expect(removed?.get('events')).toBe(3);
    await database.close();
    expect(await asOperator.sql('SELECT FROM tenants WHERE id = $1', [tenant.id])).toEqual([]);
  } finally {
    await service.close();
  }
});
