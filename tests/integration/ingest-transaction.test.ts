import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { startTcpProxy, type TcpProxy } from '../testkit/network/tcp-proxy.ts';

let database: TestDatabase;
let proxy: TcpProxy;
let service: TestApp;
beforeAll(async () => {
  database = await createDatabase();
  proxy = await startTcpProxy(database.url);
  service = await startApp({ database: { ...database, url: proxy.url } });
});
afterAll(async () => {
  await service.close();
  await proxy.close();
  await database.drop();
});

const put = (key: string) => ({
  identityKey: key,
  kind: 'note.put',
  payload: { noteId: key, title: key, body: '' },
});
const batch = (name: string, size: number) =>
  Array.from({ length: size }, (_, index) => put(`${name}-${index}`));

/** The answer to a push: status, code of a refusal, results. */
async function pushEvents(events: readonly object[], tenant = 't1') {
  const body = { events };
  const sender = { tenant };
  const url = '/api/sync/events?include=results';
  const answer = await service.request({ method: 'POST', url, body, sender });
  return { status: answer.status, code: answer.body.code, results: answer.body.results };
}

async function storedKeys(): Promise<unknown[]> {
  const rows = await service.sql('SELECT identity_key AS key FROM event_log');
  return rows.map(({ key }) => key);
}

/** Makes the database refuse events by their key, the first `times` of them, as a constraint or a full disk does. */
async function refuseInserts(keyPattern: string, sqlState: string, times: number): Promise<void> {
  await service.sql(`
    CREATE SEQUENCE refusals;
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      IF nextval('refusals') <= ${times} THEN
        RAISE EXCEPTION 'refused by the test' USING ERRCODE = '${sqlState}';
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW
      WHEN (NEW.identity_key LIKE '${keyPattern}') EXECUTE FUNCTION refuse()`);
}

async function allowInserts(): Promise<void> {
  await service.sql('DROP TRIGGER refuse ON events; DROP FUNCTION refuse; DROP SEQUENCE refusals');
}

describe('a push takes two round trips', () => {
  test.each([1, 50, 500])('with %i events', async (size) => {
    // The first use of a connection and of a tenant takes more round trips.
    await service.push(batch(`warm-${size}`, 2));
    const before = proxy.roundTrips();
    await service.push(batch(`counted-${size}`, size));
    expect(proxy.roundTrips() - before).toBe(2);
  });

  test('with nothing but duplicates, where the tenant sent duplicates shortly before', async () => {
    const pushDuplicates = async () => {
      const before = proxy.roundTrips();
      const { results } = await service.push(batch('counted-50', 50));
      expect(results?.every(({ status }) => status === 'duplicate')).toBe(true);
      return proxy.roundTrips() - before;
    };
    // The keys of other tenants are not looked up: the database refuses the events, and the push is run again.
    expect(await pushDuplicates()).toBe(2 + 1 + 2);
    expect(await pushDuplicates()).toBe(2);
  });
});

test('a page takes one round trip', async () => {
  const sender = { tenant: 'reader' };
  // The first use of a connection and of a tenant takes more round trips.
  await service.pull({}, sender);
  const before = proxy.roundTrips();
  await service.pull({}, sender);
  expect(proxy.roundTrips() - before).toBe(1);
});

test.each([
  ['25P04', 503, 'COMMIT_UNKNOWN'],
  ['23514', 500, 'INTERNAL'],
])(
  'a push whose COMMIT fails with SQLSTATE %s is answered %i %s',
  async (sqlState, status, code) => {
    await service.sql(`
    CREATE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'refused by the test' USING ERRCODE = '${sqlState}';
    END $$;
    CREATE CONSTRAINT TRIGGER refuse_late AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION refuse_late()`);
    try {
      expect(await pushEvents(batch('late', 1))).toMatchObject({ status, code });
    } finally {
      await service.sql('DROP TRIGGER refuse_late ON events; DROP FUNCTION refuse_late');
    }
    expect((await pushEvents(batch(`late-${sqlState}`, 1))).status).toBe(200);
  },
);

test('a transaction with a deadlock or a serialization failure is run again until it succeeds', async () => {
  await refuseInserts('again-%', '40P01', 2);
  try {
    expect((await pushEvents(batch('again', 1))).results).toMatchObject([{ status: 'applied' }]);
  } finally {
    await allowInserts();
  }
});

test('a push whose every attempt deadlocks is answered 503, stores nothing and leaves the pool usable', async () => {
  await refuseInserts('never-%', '40P01', 1_000);
  try {
    const answer = await pushEvents(batch('never', 1));
    expect(answer).toMatchObject({ status: 503, code: 'UNAVAILABLE' });
    expect(await storedKeys()).not.toContain('never-0');
    expect((await pushEvents(batch('healthy', 1))).status).toBe(200);
  } finally {
    await allowInserts();
  }
});

test('a batch that the database refuses fails alone, and the other batches of its group are stored', async () => {
  await refuseInserts('refused-%', '23514', 1_000);
  const blocker = new pg.Client({ connectionString: database.url });
  await blocker.connect();
  try {
    // Both lanes wait for these tenants, so the next pushes go into one group.
    await pushEvents(batch('lane-a', 1), 'lane-a');
    await pushEvents(batch('lane-b', 1), 'lane-b');
    await blocker.query("BEGIN; SELECT FROM tenants WHERE id LIKE 'lane-%' FOR UPDATE");
    const lanes = ['lane-a', 'lane-b'].map((tenant) => pushEvents(batch(`${tenant}-2`, 1), tenant));
    const group = ['stored-1', 'refused-1', 'stored-2'].map((name) =>
      pushEvents(batch(name, 2), `tenant-of-${name}`),
    );
    await blocker.query('COMMIT');
    await Promise.all(lanes);
    const [before, refused, after] = await Promise.all(group);
    expect([before?.status, refused?.status, after?.status]).toEqual([200, 500, 200]);
    expect(refused?.code).toBe('INTERNAL');
    const keys = await storedKeys();
    expect(keys).toContain('stored-1-1');
    expect(keys).toContain('stored-2-1');
    expect(keys).not.toContain('refused-1-0');
    expect(service.logLines.some(({ event }) => event === 'group.isolated')).toBe(true);
  } finally {
    await blocker.end();
    await allowInserts();
  }
});

test('a tenant whose row is locked does not delay the other tenants of its group', async () => {
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  try {
    await pushEvents(batch('held', 1), 'held');
    await pushEvents(batch('lane-c', 1), 'lane-c');
    await pushEvents(batch('lane-d', 1), 'lane-d');
    await holder.query("BEGIN; SELECT FROM tenants WHERE id IN ('held', 'lane-c') FOR UPDATE");
    // One lane waits for lane-c. The next pushes go together into the next group of the other lane.
    const lanes = ['lane-c', 'lane-d'].map((tenant) => pushEvents(batch(`${tenant}-2`, 1), tenant));
    const group = ['held', 'free-1', 'free-2'].map((tenant) =>
      pushEvents(batch(`${tenant}-2`, 2), tenant),
    );
    const [held, ...free] = await Promise.all(group);
    expect(held).toMatchObject({ status: 503, code: 'UNAVAILABLE' });
    expect(free.map(({ status }) => status)).toEqual([200, 200]);
    await holder.query('COMMIT');
    await Promise.all(lanes);
    expect((await pushEvents(batch('held-2', 2), 'held')).status).toBe(200);
  } finally {
    await holder.end();
  }
});
