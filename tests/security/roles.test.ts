import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { migrate } from '../../src/postgres/migrate/migrate.ts';
import { createRetentionPass } from '../../src/retention/retention-pass.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startApp } from '../testkit/app/test-app.ts';
import { insertTenantsText } from '../testkit/postgres/tenant-history.ts';
import { createLogin, type TestLogin } from '../testkit/postgres/test-login.ts';
import { startTemporaryPostgres, type TestServer } from '../testkit/postgres/test-server.ts';
import { letDaysPass } from '../testkit/app/retention.ts';
import { withClient, urlOfDatabase } from '../testkit/postgres/client.ts';

const workingRoles = ['landfall_service', 'landfall_operator'];
const roles = [...workingRoles, 'landfall_reader'];
const hooks = { onMigrated: () => {}, onIdleError: () => {}, onRetry: () => {} };
const dayMs = 86_400_000;

/** A cluster of its own, because roles belong to the cluster and these tests create and remove them. */
let server: TestServer;
/** The owner of the databases of a test. */
let owner: TestLogin | undefined;
let databases: string[] = [];
beforeAll(async () => {
  server = await startTemporaryPostgres();
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
  withClient(database ? urlOfDatabase(server.url, database) : server.url, (client) =>
    client.query(sql),
  );

/** Creates an empty database. @returns its URL with the login of its owner */
async function createOwned(attributes: string): Promise<string> {
  owner ??= await createLogin(server.url, attributes);
  const name = `owned_${randomUUID().slice(0, 8)}`;
  await admin(`CREATE DATABASE "${name}" OWNER "${owner.name}"`);
  databases.push(name);
  return urlOfDatabase(owner.url, name);
}

const existingRoles = async () => {
  const { rows } = await admin(`SELECT rolname FROM pg_roles WHERE rolname LIKE 'landfall\\_%'`);
  return rows.map(({ rolname }) => rolname).filter((name) => roles.includes(name));
};

describe('the first migration of a cluster', () => {
  test('creates the roles and joins them if the login may create roles', async () => {
    const url = await createOwned('CREATEROLE');
    await migrate(url);
    expect(new Set(await existingRoles())).toEqual(new Set(roles));
    for (const role of workingRoles) {
      await withClient(url, (client) => client.query(`SET ROLE ${role}`));
    }
  });

  test('names the commands for an administrator if the login may not, and works after them', async () => {
    const url = await createOwned('NOCREATEROLE');
    const failure: Error = await migrate(url).catch((error) => error);
    const wanted =
      'CREATE ROLE landfall_service NOLOGIN; CREATE ROLE landfall_operator NOLOGIN; ' +
      'CREATE ROLE landfall_reader NOLOGIN; ' +
      `GRANT landfall_service, landfall_operator TO ${owner?.name} WITH INHERIT FALSE, SET TRUE`;
    expect(failure.message).toContain(`an administrator has to run ${wanted}`);
    expect(failure.message).not.toContain('\n');
    expect(await existingRoles()).toEqual([]);
    await admin(wanted);
    await migrate(url);
  });

  test('asks only for the membership if the roles exist', async () => {
    const url = await createOwned('NOCREATEROLE');
    for (const role of roles) await admin(`CREATE ROLE ${role} NOLOGIN`);
    await expect(migrate(url)).rejects.toThrow(
      /has to run GRANT landfall_service, landfall_operator TO /,
    );
  });

  test.each(['SUPERUSER', 'BYPASSRLS'])('refuses an existing role with %s', async (attribute) => {
    const url = await createOwned('CREATEROLE');
    await admin(`CREATE ROLE landfall_service NOLOGIN ${attribute}`);
    await expect(migrate(url)).rejects.toThrow(
      /ALTER ROLE landfall_service NOSUPERUSER NOBYPASSRLS/,
    );
  });

  test('works in several databases at once, and later in another one', async () => {
    const urls: string[] = [];
    for (let count = 0; count < 6; count += 1) urls.push(await createOwned('CREATEROLE'));
    const applied = await Promise.all(urls.map((url) => migrate(url)));
    expect(new Set(applied.map((names) => names.length)).size).toBe(1);
    await migrate(await createOwned('CREATEROLE'));
  });
});

test('an owner that is no superuser sees no rows without a role', async () => {
  const url = await createOwned('CREATEROLE');
  await migrate(url);
  await withClient(url, async (client) => {
    await client.query('SET search_path = landfall');
    await client.query('SET ROLE landfall_operator');
    await client.query(insertTenantsText("VALUES ('t1')"));
    await client.query('RESET ROLE');
    expect((await client.query('SELECT id FROM tenants')).rows).toEqual([]);
    await client.query('SET ROLE landfall_operator');
    expect((await client.query('SELECT id FROM tenants')).rows).toEqual([{ id: 't1' }]);
  });
});

test('push, pull, audit, retention and removal work for an owner that is no superuser', async () => {
  const url = await createOwned('CREATEROLE');
  const service = await startApp({ database: { url, drop: async () => {} } });
  const asOperator: typeof service = {
    ...service,
    // The tests read the tables as the owner, who must take a role for that.
    sql: (text, values = []) =>
      withClient(url, async (client) => {
        await client.query('SET search_path = landfall');
        await client.query('SET ROLE landfall_operator');
        return (await client.query(text, [...values])).rows;
      }),
  };
  try {
    const tenant = await createTenant(asOperator);
    await tenant.push([putNote('n1'), putNote('n2'), removeNote('n1')]);
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
