import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { putNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ env: { COMMIT_LANES: '1' } });
});
afterAll(() => service.close());

/** As somebody at a console does, who forgot to commit. */
async function lock({ id }: Tenant) {
  const client = new pg.Client(service.database.url);
  await client.connect();
  await client.query('BEGIN');
  await client.query('SELECT 1 FROM tenants WHERE id = $1 FOR UPDATE', [id]);
  return { release: () => client.end() };
}

async function waitingForLocks(): Promise<number> {
  const [row] = await service.sql<{ count: number }>(
    `SELECT count(*)::int4 AS count FROM pg_stat_activity
      WHERE wait_event_type = 'Lock' AND datname = current_database()`,
  );
  return row?.count ?? 0;
}

/** Goes on by itself; a refusal is a result too. */
function send(tenant: Tenant, id: string) {
  const asked = service.request({
    method: 'POST',
    url: '/api/sync/events',
    body: { events: [putNote(id)] },
    sender: tenant.sender(),
  });
  const sent = { status: 0, answer: asked };
  void asked.then(({ status }) => (sent.status = status));
  return sent;
}

const isolated = () => service.logLines.filter(({ event }) => event === 'group.isolated').length;

test('a tenant whose row is held makes others wait once, and not again until it is free', async () => {
  const tenants = await Promise.all([1, 2, 3, 4].map(() => createTenant(service)));
  const [first, locked, ...others] = tenants as [Tenant, Tenant, Tenant, Tenant];
  const [before, held] = [await lock(first), await lock(locked)];
  const opening = send(first, 'n0');
  await expect.poll(waitingForLocks).toBe(1);
  const group = [locked, ...others].map((tenant) => send(tenant, 'n1'));
  await before.release();
  const statuses = (await Promise.all(group.map(({ answer }) => answer))).map(
    ({ status }) => status,
  );
  expect([(await opening.answer).status, ...statuses]).toEqual([200, 503, 200, 200]);
  expect(isolated()).toBe(1);

  const waiting = send(locked, 'n2');
  await expect.poll(waitingForLocks).toBe(1);
  for (let round = 0; round < 3; round += 1) {
    const together = await Promise.all(others.map((tenant) => send(tenant, `m${round}`).answer));
    expect(together.map(({ status }) => status)).toEqual([200, 200]);
  }
  // All of them were answered while this one waited for its lock.
  expect(waiting.status).toBe(0);
  await held.release();
  expect((await waiting.answer).status).toBe(200);
  expect(isolated()).toBe(1);
  for (const { id } of tenants) {
    await expectNothingLost({ databaseUrl: service.database.url, tenant: id });
  }
});
