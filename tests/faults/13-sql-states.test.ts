import type pg from 'pg';
import { beforeEach, expect, test } from 'vitest';
import { patchNote, putNote } from '../testkit/events/sent-events.ts';
import { forceErrors, type FailingStatement } from '../testkit/postgres/forced-errors.ts';
import type { ServiceProcess } from '../testkit/processes/service-process.ts';
import { type CheckedTenant, newClient, newDatabase, newService, newTenant } from './fixtures.ts';

let databaseUrl: string;
/** A session beside the service, which takes locks. */
let outsider: pg.Client;
let tenant: CheckedTenant;
beforeEach(async () => {
  databaseUrl = await newDatabase();
  tenant = newTenant(databaseUrl);
  outsider = await newClient(databaseUrl);
});

/** The SQLSTATEs because of which the service has retried a transaction. */
const retried = ({ logLines }: ServiceProcess) =>
  logLines
    .filter(({ event }) => event === 'transaction.retried')
    .map(({ err }) => (err as { code?: string }).code);

async function deviceWithNote(service: ServiceProcess) {
  const device = tenant.device('laptop', service);
  expect(await device.push([putNote('n1')])).toMatchObject({ outcome: 'ok' });
  return device;
}

const edits = (name = 'n2') => [patchNote('n1', { title: name }), putNote(name)];
const applied = { answer: { results: [{ status: 'applied' }, { status: 'applied' }] } };

/** The status and the code of a refused request, and whether its Retry-After is sensible. */
async function refusalOf(answer: Response) {
  const { code } = (await answer.json()) as { code: string };
  const seconds = Number(answer.headers.get('retry-after'));
  return { status: answer.status, code, hasRetryAfter: seconds >= 1 && seconds <= 30 };
}

const statements: readonly FailingStatement[] = [
  ...(['events', 'records', 'changed records', 'tenants', 'commit'] as const),
];

// A lock or a statement that timed out has already waited, so the service retries less often.
test.each([
  ['40001', 4],
  ['40P01', 4],
  ['55P03', 2],
  ['57014', 2],
])(
  'fault 13: after a forced %s the service runs the whole transaction up to %i times, and then answers 503',
  async (sqlState, tries) => {
    const service = await newService(databaseUrl);
    const device = await deviceWithNote(service);
    for (const statement of statements) {
      // Nobody knows the result of a canceled COMMIT, so only the client may send the batch again.
      const isUnknown = statement === 'commit' && sqlState === '57014';
      const bound = isUnknown ? 1 : tries;
      const before = retried(service).length;
      const temporary = await forceErrors(databaseUrl, statement, sqlState, bound - 1);
      expect(await device.push(edits(statement))).toMatchObject(applied);
      expect(await temporary.raised()).toBe(bound - 1);
      await expect
        .poll(() => retried(service).slice(before))
        .toEqual(Array(bound - 1).fill(sqlState));

      const persistent = await forceErrors(databaseUrl, statement, sqlState, 1_000);
      const code = isUnknown ? 'COMMIT_UNKNOWN' : 'UNAVAILABLE';
      const late = edits(`late-${statement}`);
      const refusal = await refusalOf(await tenant.push(service, late));
      expect(refusal).toEqual({ status: 503, code, hasRetryAfter: true });
      expect(await persistent.raised()).toBe(bound);
      expect(await device.push(late)).toMatchObject({ status: 503, reason: code });
      await persistent.stop();
      expect(await device.drain()).toEqual([]);
    }
    await device.catchUp();
    await tenant.expectNothingLost();
  },
);

// The next tests produce the same SQLSTATEs with real locks, cancellations and isolation levels.

const lockTenant = () =>
  outsider.query('SELECT FROM tenants WHERE id = $1 FOR UPDATE', [tenant.id]);

/** Waits until backends of the service wait for a lock. @returns their process ids */
async function waitingBackends(): Promise<number[]> {
  const monitor = await newClient(databaseUrl);
  const text = `SELECT pid FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'landfall'
                   AND wait_event_type = 'Lock'`;
  const pids = async () => (await monitor.query<{ pid: number }>(text)).rows.map(({ pid }) => pid);
  await expect.poll(pids, { timeout: 10_000, interval: 10 }).not.toEqual([]);
  return pids();
}

test('fault 13: a push of a tenant that stays locked (55P03) is answered 503 and not stored', async () => {
  const service = await newService(databaseUrl);
  const device = await deviceWithNote(service);
  await outsider.query('BEGIN');
  await lockTenant();
  const refused = await device.push(edits());
  expect(refused).toMatchObject({ outcome: 'fail', status: 503, reason: 'UNAVAILABLE' });
  await expect.poll(() => retried(service)).toEqual(['55P03']);
  expect((await outsider.query('SELECT FROM event_log')).rowCount).toBe(1);
  await outsider.query('COMMIT');
  expect(await device.drain()).toEqual([]);
  await tenant.expectNothingLost();
});

test('fault 13: a push whose statement is canceled (57014) succeeds with a retry', async () => {
  const service = await newService(databaseUrl);
  const device = await deviceWithNote(service);
  await outsider.query('BEGIN');
  await lockTenant();
  const pushed = device.push(edits());
  for (const pid of await waitingBackends())
    await outsider.query('SELECT pg_cancel_backend($1)', [pid]);
  await expect.poll(() => retried(service), { timeout: 10_000 }).toEqual(['57014']);
  await outsider.query('COMMIT');
  expect(await pushed).toMatchObject(applied);
  await tenant.expectNothingLost();
});

test('fault 13: a push in a deadlock (40P01) succeeds with a retry', async () => {
  const service = await newService(databaseUrl);
  const device = await deviceWithNote(service);
  // PostgreSQL aborts the session whose deadlock_timeout ends first: the service's.
  await outsider.query("SET deadlock_timeout = '30s'");
  await outsider.query('BEGIN');
  await outsider.query('LOCK TABLE records IN SHARE MODE');
  const pushed = device.push(edits());
  await waitingBackends();
  const locked = lockTenant();
  await expect.poll(() => retried(service), { timeout: 10_000 }).toEqual(['40P01']);
  await locked;
  await outsider.query('COMMIT');
  expect(await pushed).toMatchObject(applied);
  await tenant.expectNothingLost();
});

test('fault 13: a push with a serialization failure (40001) of a stricter isolation level succeeds with a retry', async () => {
  const { rows } = await outsider.query('SELECT current_database() AS name');
  await outsider.query(
    `ALTER DATABASE "${rows[0].name}" SET default_transaction_isolation = 'repeatable read'`,
  );
  const service = await newService(databaseUrl);
  const device = await deviceWithNote(service);
  await outsider.query('BEGIN');
  await outsider.query('UPDATE tenants SET head = head WHERE id = $1', [tenant.id]);
  const pushed = device.push(edits());
  await waitingBackends();
  await outsider.query('COMMIT');
  expect(await pushed).toMatchObject(applied);
  await expect.poll(() => retried(service)).toEqual(['40001']);
  await tenant.expectNothingLost();
});
