import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createPool, type SchemaPool } from '../../src/postgres/client/pool.ts';
import { createTenantRemoval } from '../../src/postgres/tenants/tenant-removal.ts';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { patchNote, putNote } from '../testkit/events/sent-events.ts';
import { auditOf } from '../testkit/app/audit.ts';
import { checkpointExpired, pullStatusOf } from '../testkit/app/pull-status.ts';
import { createTenant, statusesOf, type Tenant } from '../testkit/app/tenant.ts';
import { startAppPair, type TestAppPair } from '../testkit/app/test-app-pair.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { startTcpProxy } from '../testkit/network/tcp-proxy.ts';
import { withClient } from '../testkit/postgres/client.ts';
import { sentStatements } from '../testkit/postgres/sent-statements.ts';
import { ofTenant } from '../testkit/postgres/tenant-history.ts';

// A process remembers the numbers of its tenants. A tenant that was removed and pushed again has another number.

let pair: TestAppPair;
/** The process that remembers the number. */
let service: TestApp;
let other: TestApp;
let pool: SchemaPool;
let tenant: Tenant;
/** What the tenant had before it was removed. */
let before: { readonly checkpoint: string; readonly no: number | undefined };
beforeAll(async () => {
  pair = await startAppPair({ env: { COMMIT_LANES: '1' } });
  [service, other] = pair.services;
  pool = createPool({ connectionString: service.database.url, max: 1, onIdleError: () => {} });
});
afterAll(async () => {
  await pool.end();
  await pair.close();
});
beforeEach(async () => {
  tenant = await createTenant(service);
  const events = [putNote('n1'), putNote('n1', { title: 'stale' }, { baseVersion: 0 })];
  await tenant.push([...events, putNote('n2')]);
  const { checkpoint } = await tenant.pull();
  before = { checkpoint, no: await numberOf(tenant) };
});

async function numberOf({ id }: Tenant): Promise<number | undefined> {
  const [row] = await service.sql<{ no: number }>('SELECT no FROM tenants WHERE id = $1', [id]);
  return row?.no;
}

const remove = ({ id }: Tenant) => createTenantRemoval(pool).remove(id, 10);

const lost = putNote('n1', { title: 'lost' }, { baseVersion: 0 });
/** The first push of the next life: two events, of which one is a conflict. */
const nextLife = () => [putNote('n1', { title: 'of the next life' }), lost];

const notesOf = ({ changes }: { changes: readonly { entityId: string; version: number }[] }) =>
  changes.map(({ entityId, version }) => [entityId, version]);

describe('after a tenant was removed,', () => {
  beforeEach(async () => {
    await remove(tenant);
  });

  test('it has no number', async () => {
    expect(await numberOf(tenant)).toBeUndefined();
  });

  test('a push of the same process begins it anew, under another number', async () => {
    const answer = await tenant.push(nextLife());
    expect(statusesOf(answer)).toEqual(['applied', 'CONFLICT']);
    expect(answer.results?.[0]?.version).toBe(1);
    expect(await numberOf(tenant)).toEqual(expect.any(Number));
    expect(await numberOf(tenant)).not.toBe(before.no);
    expect(notesOf(await tenant.pull())).toEqual([['n1', 1]]);
    await expectNothingLost({ databaseUrl: service.database.url, tenant: tenant.id });
  });

  test('a pull of the same process finds nothing', async () => {
    const page = await tenant.pull();
    expect(page).toMatchObject({ changes: [], position: 1, hasMore: false });
    await tenant.push(nextLife());
    expect(notesOf(await tenant.pull({ since: page.checkpoint }))).toEqual([['n1', 1]]);
  });

  test('a poll of the same process is told that its checkpoint has expired', async () => {
    for (let poll = 0; poll < 2; poll += 1) {
      const since = before.checkpoint;
      expect(await pullStatusOf(service, tenant, { since })).toBe(checkpointExpired);
    }
  });

  test('histories, conflicts and receipts of the same process are empty', async () => {
    const audit = auditOf(tenant);
    expect((await audit.history('note', 'n1')).events).toEqual([]);
    expect((await audit.conflicts({ state: 'all' })).conflicts).toEqual([]);
    expect(await audit.receipts(lost.identityKey)).toMatchObject([{ found: false }]);
    expect((await audit.find(lost.identityKey)).status).toBe(404);
  });
});

describe('after a tenant was removed and pushed again to another process,', () => {
  beforeEach(async () => {
    await remove(tenant);
    await tenant.pushTo(other, nextLife());
  });

  test('it has another number', async () => {
    expect(await numberOf(tenant)).toEqual(expect.any(Number));
    expect(await numberOf(tenant)).not.toBe(before.no);
  });

  test('the first process pushes to the new history', async () => {
    const answer = await tenant.push([patchNote('n1', { title: 'edited' })]);
    expect(answer.results).toMatchObject([{ status: 'applied', version: 3 }]);
    expect((await tenant.pull()).changes).toMatchObject([{ data: { title: 'edited' } }]);
    await expectNothingLost({ databaseUrl: service.database.url, tenant: tenant.id });
  });

  test('the first process pulls the new history', async () => {
    expect(notesOf(await tenant.pull())).toEqual([['n1', 1]]);
  });

  test('a poll of the first process is told that its checkpoint has expired', async () => {
    const since = before.checkpoint;
    expect(await pullStatusOf(service, tenant, { since })).toBe(checkpointExpired);
  });

  test('a poll of the first process from a checkpoint of the new history finds nothing, and then what is new', async () => {
    const { checkpoint: since } = await other.pull({}, tenant.sender());
    expect(await tenant.pull({ since })).toMatchObject({ changes: [], hasMore: false });
    await tenant.pushTo(other, [putNote('n3')]);
    expect(notesOf(await tenant.pull({ since }))).toEqual([['n3', 3]]);
  });

  test('the first process reads the new history, its conflicts and receipts', async () => {
    const audit = auditOf(tenant);
    const { events } = await audit.history('note', 'n1');
    expect(events.map(({ version, outcome }) => [version, outcome])).toEqual([
      [2, 'conflict'],
      [1, 'applied'],
    ]);
    expect((await audit.conflicts()).conflicts).toMatchObject([{ version: 2 }]);
    expect(await audit.receipts(lost.identityKey)).toMatchObject([{ found: true, version: 2 }]);
  });

  test('the first process resolves a conflict of the new history', async () => {
    const { status, body } = await auditOf(tenant).resolve(lost.identityKey, {
      resolution: 'force',
    });
    expect([status, body.resolved]).toMatchObject([200, { resolution: 'force', version: 3 }]);
    expect((await tenant.pull()).changes).toMatchObject([{ data: { title: 'lost' } }]);
  });

  test('resends to the first process are counted for the new history', async () => {
    const event = putNote('n4');
    await tenant.pushTo(other, [event]);
    expect(await tenant.pushStatuses([event])).toEqual(['duplicate of applied']);
    const counts = async () =>
      (await auditOf(tenant).history('note', 'n4')).events.map(({ resends }) => resends.count);
    await expect.poll(counts, { timeout: 10_000 }).toEqual([1]);
  });
});

test('a removed tenant does not disturb the other tenants of its group', async () => {
  const [blocking, neighbour] = [await createTenant(service), await createTenant(service)];
  await remove(tenant);
  const pushes = await withClient(service.database.url, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT FROM tenants WHERE id = $1 FOR UPDATE', [blocking.id]);
    // It keeps the only lane busy, so that the next pushes go into one group.
    const first = blocking.push([putNote('n1')]);
    await expect
      .poll(async () => (await client.query(waitingText)).rowCount, { interval: 10 })
      .toBe(1);
    const group = [tenant, neighbour].map((each) => each.push([putNote('n9')]));
    await client.query('COMMIT');
    return Promise.all([first, ...group]);
  });
  expect(pushes.map(statusesOf)).toEqual([['applied'], ['applied'], ['applied']]);
  expect(await numberOf(tenant)).not.toBe(before.no);
  for (const { id } of [tenant, neighbour]) {
    await expectNothingLost({ databaseUrl: service.database.url, tenant: id });
  }
});

const waitingText = `SELECT FROM pg_stat_activity
  WHERE datname = current_database() AND wait_event_type = 'Lock'`;

test('a record that a removal deletes between the load and the write of a push is written anew', async () => {
  const proxy = await startTcpProxy(service.database.url);
  const slow = await startApp({ database: { ...service.database, url: proxy.url } });
  try {
    await tenant.pushTo(slow, [putNote('n3')]);
    const sent = await sentStatements(async () => {
      const write = proxy.holdRequest(({ text }) => text.includes('INSERT INTO events'));
      const pushed = tenant.pushTo(slow, [putNote('n1', { title: 'whole' })]);
      const held = await write;
      // The removal deletes the records of a tenant without its lock.
      await service.sql(`DELETE FROM records WHERE ${ofTenant}`, [tenant.id]);
      held.release();
      expect(statusesOf(await pushed)).toEqual(['applied']);
    });
    const inserts = sent.filter(({ text }) => /^\s*INSERT INTO records /.test(text));
    expect(inserts).toHaveLength(1);
    expect((await tenant.record('n1'))?.data).toEqual({ title: 'whole', body: '' });
    expect((await tenant.log()).map(({ version }) => version)).toEqual([1, 2, 3, 4, 5]);
  } finally {
    await slow.close();
    await proxy.close();
  }
});
