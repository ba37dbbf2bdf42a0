import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createRetentionPass } from '../../src/retention/retention-pass.ts';
import { createRetentionStore } from '../../src/postgres/retention/retention-store.ts';
import { putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { hashOf } from '../testkit/postgres/fill-tenant.ts';
import { moveHead, ofTenant } from '../testkit/postgres/tenant-history.ts';
import {
  createRetentionRunner,
  horizonsOf,
  letDaysPass,
  tombstonesOf,
} from '../testkit/app/retention.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

/** Two tenants with five old tombstones each, in the order in which a pass visits them. */
let tenants: readonly [Tenant, Tenant];
beforeEach(async () => {
  await service.sql('TRUNCATE tenants, events, records, purged_records');
  const [one, two] = [await createTenant(service), await createTenant(service)];
  tenants = one.id < two.id ? [one, two] : [two, one];
  const ids = Array.from({ length: 5 }, (_, at) => `n${at}`);
  for (const tenant of tenants) {
    await tenant.push([...ids.map((id) => putNote(id)), ...ids.map((id) => removeNote(id))]);
    await letDaysPass(tenant, 91);
  }
});

const tombstoneCounts = async () =>
  Promise.all(tenants.map(async (tenant) => (await tombstonesOf(tenant)).length));
async function numberOf({ id }: Tenant): Promise<number> {
  const [row] = await service.sql<{ no: number }>('SELECT no FROM tenants WHERE id = $1', [id]);
  return row?.no ?? Number.NaN;
}
const settings = { tombstoneMs: 90 * 86_400_000, eventMs: null };

const pushes: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const release of pushes.splice(0)) await release();
});

/** Locks the tenant's row, like a push that does not end. */
async function lockTenant(tenant: Tenant) {
  const client = new pg.Client(service.database.url);
  await client.connect();
  await client.query('BEGIN');
  await client.query('SELECT FROM tenants WHERE id = $1 FOR UPDATE', [tenant.id]);
  const release = () => client.end();
  pushes.push(release);
  return { release };
}

test('while one process runs a pass, another does nothing and does not wait', async () => {
  const store = createRetentionStore(service.database.url);
  const other = createRetentionPass(createRetentionStore(service.database.url), settings);
  const session = await store.begin();
  expect(await other(new AbortController().signal)).toBeUndefined();
  expect(await tombstoneCounts()).toEqual([5, 5]);
  await session?.end();
  expect(await other(new AbortController().signal)).toMatchObject({ tombstones: 10 });
});

test('concurrent passes do the work once', async () => {
  const store = createRetentionStore(service.database.url);
  const reports = await Promise.all(
    Array.from({ length: 8 }, () =>
      createRetentionPass(store, { ...settings, batchRows: 1 })(new AbortController().signal),
    ),
  );
  const purged = reports.flatMap((report) => report?.tombstones ?? []);
  expect(purged.reduce((sum, count) => sum + count, 0)).toBe(10);
  expect(purged.filter((count) => count > 0)).toHaveLength(1);
  expect(await tombstoneCounts()).toEqual([0, 0]);
});

test('the retention lease is free after a failed pass, and after its connection broke', async () => {
  const broken = createRetentionRunner(service, {
    overrideSession: () => ({ tenants: () => Promise.reject(new Error('out of order')) }),
  });
  await expect(broken()).rejects.toThrow('out of order');
  const killed = createRetentionRunner(service, {
    overrideSession: (session) => ({
      async findTombstones(range, limit) {
        await service.sql(
          `SELECT pg_terminate_backend(pid) FROM pg_locks
            WHERE locktype = 'advisory' AND objid = 72707370
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        );
        return session.findTombstones(range, limit);
      },
    }),
  });
  await killed().then(
    ({ errors }) => expect(errors).not.toEqual([]),
    () => {},
  );
  expect(await tombstoneCounts()).toEqual([5, 5]);
  expect(await createRetentionRunner(service)()).toMatchObject({ tombstones: 10 });
});

test('a tenant that a push has locked is skipped, and cleaned up after the push', async () => {
  const [first, second] = tenants;
  const secondNo = await numberOf(second);
  const push = await lockTenant(first);
  const countsWhileLocked: number[][] = [];
  const clean = createRetentionRunner(service, {
    overrideSession: (session) => ({
      async purgeTombstones(range) {
        const count = await session.purgeTombstones(range);
        if (range.tenantNo === secondNo) await push.release();
        else if (count === undefined) countsWhileLocked.push(await tombstoneCounts());
        return count;
      },
    }),
  });
  expect(await clean()).toMatchObject({ tombstones: 10, busy: 0 });
  expect(countsWhileLocked.length).toBeGreaterThan(0);
  expect(await tombstoneCounts()).toEqual([0, 0]);
});

test('a tenant that stays locked is left to the next pass', async () => {
  const push = await lockTenant(tenants[0]);
  const clean = createRetentionRunner(service);
  expect(await clean()).toMatchObject({ tenants: 2, tombstones: 5, busy: 1 });
  expect(await tombstoneCounts()).toEqual([5, 0]);
  await push.release();
  expect(await clean()).toMatchObject({ tombstones: 5, busy: 0 });
});

test('a pass that fails for one tenant still cleans up the others', async () => {
  const brokenNo = await numberOf(tenants[0]);
  const clean = createRetentionRunner(service, {
    overrideSession: (session) => ({
      agedVersion: (no, ageMs) =>
        no === brokenNo ? Promise.reject(new Error('broken')) : session.agedVersion(no, ageMs),
    }),
  });
  expect(await clean()).toMatchObject({ tombstones: 5, errors: [new Error('broken')] });
  expect(await tombstoneCounts()).toEqual([5, 0]);
});

test('a pass that fails during a batch stores nothing of the batch', async () => {
  const [tenant] = tenants;
  await service.sql(`ALTER TABLE tenants ADD CONSTRAINT never CHECK (horizon = 0) NOT VALID`);
  const { errors } = await createRetentionRunner(service)();
  await service.sql('ALTER TABLE tenants DROP CONSTRAINT never');
  expect(errors).toHaveLength(2);
  expect(await tombstoneCounts()).toEqual([5, 5]);
  expect(await service.sql('SELECT FROM purged_records')).toEqual([]);
  expect(await horizonsOf(tenant)).toMatchObject({ horizon: 0 });
});

test('an aborted pass ends after its batch, and the next one does the rest', async () => {
  const stopping = new AbortController();
  const clean = createRetentionRunner(service, {
    batchRows: 2,
    signal: stopping.signal,
    overrideSession: (session) => ({
      purgeTombstones(range) {
        stopping.abort();
        return session.purgeTombstones(range);
      },
    }),
  });
  expect(await clean()).toMatchObject({ tombstones: 2, stopped: true });
  expect(await createRetentionRunner(service)()).toMatchObject({ tombstones: 8, stopped: false });
});

test('a later pass does not read the records again that an earlier one has read', async () => {
  const looked: number[] = [];
  const clean = createRetentionRunner(service, {
    overrideSession: (session) => ({
      findTombstones(range, limit) {
        looked.push(range.after);
        return session.findTombstones(range, limit);
      },
    }),
  });
  const [tenant] = tenants;
  await clean();
  looked.length = 0;
  await clean();
  expect(looked).toEqual([]);
  await tenant.push([putNote('n9'), removeNote('n9')]);
  await letDaysPass(tenant, 91, 10);
  expect(await clean()).toMatchObject({ tombstones: 1 });
  expect(looked).toEqual([10]);
});

test('the newest version of a given age is found in logs of every length', async () => {
  const [tenant] = tenants;
  const session = await createRetentionStore(service.database.url).begin();
  if (!session) throw new Error('another process holds the lease');
  const no = await numberOf(tenant);
  for (const length of [0, 1, 2, 3, 7, 8, 20]) {
    await service.sql(`DELETE FROM events WHERE ${ofTenant}`, [tenant.id]);
    await service.sql(
      `INSERT INTO events (tenant_no, version, identity_key, key_hash, kind, kind_version, entity_type,
         entity_id, outcome, effective_at, received_at, clock_adjusted, record_changed)
       SELECT $1, n, n, ${hashOf('n::text')}, 'note.put', 1, 'note', 'n', 1, now(),
              now() - ($2 - n + 0.5) * interval '1 day', false, true
         FROM generate_series(1, $2::int) AS n`,
      [no, length],
    );
    const query = (text: string, values: readonly unknown[]) => service.sql(text, values);
    await moveHead(query, tenant.id, length);
    for (let days = 0; days <= length + 1; days += 1) {
      const version = await session.agedVersion(no, days * 86_400_000);
      expect([length, days, version]).toEqual([length, days, Math.max(0, length - days)]);
    }
  }
  await session.end();
});
