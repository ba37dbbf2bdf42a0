import { afterAll, beforeAll, expect, test } from 'vitest';
import { put, remove } from '../testkit/oracle/events.ts';
import { npmRun } from '../testkit/command.ts';
import { createEmptyDatabase, type TestDatabase } from '../testkit/database.ts';
import { createLogin, type TestLogin } from '../testkit/logins.ts';
import { type Service, startService } from '../testkit/service.ts';
import { withClient } from '../testkit/template.ts';

let database: TestDatabase;
/** A member of landfall_service, and nothing else. */
let login: TestLogin;
beforeAll(async () => {
  database = await createEmptyDatabase();
  login = await createLogin(database.url, 'IN ROLE landfall_service');
});
afterAll(async () => {
  await login.drop();
  await database.drop();
});

const env = () => ({ DATABASE_URL: login.url, DIRECT_DATABASE_URL: database.url });

const asOwner = async (text: string) =>
  (await withClient(database.url, (client) => client.query(text))).rows;

async function call(service: Service, path: string, body?: object) {
  const answer = await fetch(`${service.url}/api/sync/${path}`, {
    method: body ? 'POST' : 'GET',
    headers: {
      authorization: `Bearer ${service.token({ tenant: 'shop' })}`,
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever the answer holds
  return { status: answer.status, body: (await answer.json()) as any };
}

test('the service serves with a login that is only a member of landfall_service; what the owner has to do goes by DIRECT_DATABASE_URL', async () => {
  const service = await startService({
    dataDir: '/none',
    env: { ...env(), TOMBSTONE_RETENTION: '1ms', RETENTION_INTERVAL: '50ms' },
  });
  try {
    const conflict = put('n1', {}, { baseVersion: 1 });
    const events = [put('n1'), put('n1', { title: 'later' }), conflict, put('n2'), remove('n2')];
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
      .poll(() => asOwner('SELECT FROM purged_records'), { timeout: 30_000 })
      .toHaveLength(1);
    await expect.poll(() => asOwner('SELECT FROM replays'), { timeout: 30_000 }).not.toEqual([]);
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
    const removed = await npmRun('remove-tenant', ['shop'], env(), 'shop\n');
    expect([removed.code, removed.stderr]).toEqual([0, '']);
    expect((await call(service, 'changes')).body).toMatchObject({ changes: [], hasMore: false });
  } finally {
    await service.stop();
  }
});

test('such a login can take no other role, change nothing but by the policies, and see nothing unasked', async () => {
  await withClient(login.url, async (client) => {
    expect((await client.query('SELECT FROM tenants')).rows).toEqual([]);
    for (const statement of [
      'SET ROLE landfall_operator',
      'SET row_security = off; SELECT FROM tenants',
      'ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY',
      'TRUNCATE tenants',
      'DELETE FROM tenants',
      'CREATE TABLE mine ()',
    ]) {
      await expect(client.query(statement)).rejects.toThrow(
        /permission denied|must be owner|affected by row-level security/,
      );
    }
  });
});

test('a login that may not act as the service is told at the start, in one line', async () => {
  const stranger = await createLogin(database.url, '');
  try {
    const { code, stderr } = await npmRun('retention', ['--once'], {
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
