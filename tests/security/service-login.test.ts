import { afterAll, beforeAll, expect, test } from 'vitest';
import { putNote, removeNote } from '../testkit/events/sent-events.ts';
import { runNpmScript } from '../testkit/processes/npm-script.ts';
import { createPlainDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { createLogin, type TestLogin } from '../testkit/postgres/test-login.ts';
import { type ServiceProcess, startService } from '../testkit/processes/service-process.ts';
import { withClient } from '../testkit/postgres/client.ts';

let database: TestDatabase;
/** A login that is only a member of landfall_service. */
let login: TestLogin;
beforeAll(async () => {
  database = await createPlainDatabase();
  login = await createLogin(database.url, 'IN ROLE landfall_service');
});
afterAll(async () => {
  await login.drop();
  await database.drop();
});

const env = () => ({ DATABASE_URL: login.url, DIRECT_DATABASE_URL: database.url });

const asOwner = async (text: string) =>
  (await withClient(database.url, (client) => client.query(text))).rows;

async function call(service: ServiceProcess, path: string, body?: object) {
  const answer = await fetch(`${service.url}/api/sync/${path}`, {
    method: body ? 'POST' : 'GET',
    headers: {
      authorization: `Bearer ${service.token({ tenant: 'shop' })}`,
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  // oxlint-disable-next-line typescript/no-explicit-any -- the test reads any field of the answer
  return { status: answer.status, body: (await answer.json()) as any };
}

test('the service works with a login that is only a member of landfall_service, uses DIRECT_DATABASE_URL for the owner’s work, and needs no search path of the database', async () => {
  const service = await startService({
    dataDir: '/none',
    env: { ...env(), TOMBSTONE_RETENTION: '1ms', RETENTION_INTERVAL: '50ms' },
  });
  try {
    const conflict = putNote('n1', {}, { baseVersion: 1 });
    const events = [
      putNote('n1'),
      putNote('n1', { title: 'later' }),
      conflict,
      putNote('n2'),
      removeNote('n2'),
    ];
    expect((await call(service, 'events', { events })).status).toBe(200);
    expect((await call(service, 'events', { events })).body.processed).toHaveLength(4);
    expect((await call(service, 'changes')).body.changes).toMatchObject([{ entityId: 'n1' }]);
    const resolved = await call(service, `conflicts/${conflict.identityKey}/resolution`, {
      resolution: 'discard',
    });
    expect(resolved.status).toBe(200);
    expect((await call(service, 'conflicts?state=all')).body.conflicts).toHaveLength(1);
    expect((await call(service, 'entities/note/n1/events')).body.events.length).toBeGreaterThan(2);
    await expect
      .poll(() => asOwner('SELECT FROM landfall.purged_records'), { timeout: 30_000 })
      .toHaveLength(1);
    await expect
      .poll(() => asOwner('SELECT FROM landfall.resends'), { timeout: 30_000 })
      .not.toEqual([]);
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
    const removed = await runNpmScript('remove-tenant', ['shop'], env(), 'shop\n');
    expect([removed.code, removed.stderr]).toEqual([0, '']);
    expect((await call(service, 'changes')).body).toMatchObject({ changes: [], hasMore: false });
    const outside = `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace`;
    expect(await asOwner(outside)).toEqual([]);
  } finally {
    await service.stop();
  }
});

test('such a login cannot take another role, change the schema, or see rows without a tenant', async () => {
  await withClient(login.url, async (client) => {
    await expect(client.query('SELECT FROM tenants')).rejects.toThrow(/does not exist/);
    await client.query('SET search_path = landfall, public');
    expect((await client.query('SELECT FROM tenants')).rows).toEqual([]);
    for (const statement of [
      'SET ROLE landfall_operator',
      'SET row_security = off; SELECT FROM tenants',
      'ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY',
      'TRUNCATE tenants',
      'DELETE FROM tenants',
      'CREATE TABLE mine ()',
      'CREATE TABLE public.mine ()',
      'SELECT FROM event_log',
    ]) {
      await expect(client.query(statement)).rejects.toThrow(
        /permission denied|must be owner|affected by row-level security/,
      );
    }
  });
});

test('a login that may not act as the service is refused at the start, in one line', async () => {
  const stranger = await createLogin(database.url, '');
  try {
    const { code, stderr } = await runNpmScript('retention', ['--once'], {
      ...env(),
      DATABASE_URL: stranger.url,
    });
    expect([code, stderr]).toEqual([
      1,
      `DATABASE_URL: permission denied to set role "landfall_service": an administrator has to run GRANT landfall_service TO "${stranger.name}"\n`,
    ]);
  } finally {
    await stranger.drop();
  }
});
