import pg from 'pg';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { patch, put } from '../testkit/oracle/events.ts';
import { forceErrors, type Place } from '../testkit/forced-errors.ts';
import type { Service } from '../testkit/service.ts';
import { newDatabase, newService, newTenant, type StagedTenant } from './stage.ts';

let databaseUrl: string;
let outsider: pg.Client;
let tenant: StagedTenant;
beforeEach(async () => {
  databaseUrl = await newDatabase();
  tenant = newTenant(databaseUrl);
  outsider = await connect();
});

async function connect(): Promise<pg.Client> {
  const client = new pg.Client(databaseUrl);
  client.on('error', () => {});
  onTestFinished(() => client.end());
  await client.connect();
  return client;
}

/** The SQLSTATEs for which the service ran a transaction again. */
const retried = ({ logLines }: Service) =>
  logLines
    .filter(({ event }) => event === 'transaction.retried')
    .map(({ err }) => (err as { code?: string }).code);

async function deviceWithNote(service: Service) {
  const device = tenant.device('laptop', service);
  expect(await device.push([put('n1')])).toMatchObject({ outcome: 'ok' });
  return device;
}

const edits = (name = 'n2') => [patch('n1', { title: name }), put(name)];
const applied = { answer: { results: [{ status: 'applied' }, { status: 'applied' }] } };

/** What an answer says of the whole request. */
async function refusalOf(answer: Response) {
  const { code } = (await answer.json()) as { code: string };
  const seconds = Number(answer.headers.get('retry-after'));
  return { status: answer.status, code, saysWhen: seconds >= 1 && seconds <= 30 };
}

const places: readonly Place[] = ['events', 'records', 'tenants', 'commit'];

// A lock or a statement that ran out of time has waited already, so it is tried less often.
test.each([
  ['40001', 4],
  ['40P01', 4],
  ['55P03', 2],
  ['57014', 2],
])(
  'fault 13: after a forced %s the whole transaction is run again, %i times in all, then 503',
  async (sqlState, tries) => {
    const service = await newService(databaseUrl);
    const device = await deviceWithNote(service);
    for (const place of places) {
      // What became of a COMMIT that was canceled is not known: only the client sends it again.
      const isUnknown = place === 'commit' && sqlState === '57014';
      const bound = isUnknown ? 1 : tries;
      const before = retried(service).length;
      const passing = await forceErrors(databaseUrl, place, sqlState, bound - 1);
      expect(await device.push(edits(place))).toMatchObject(applied);
      expect(await passing.raised()).toBe(bound - 1);
      await expect
        .poll(() => retried(service).slice(before))
        .toEqual(Array(bound - 1).fill(sqlState));

      const lasting = await forceErrors(databaseUrl, place, sqlState, 1_000);
      const code = isUnknown ? 'COMMIT_UNKNOWN' : 'UNAVAILABLE';
      const late = edits(`late-${place}`);
      const refusal = await refusalOf(await tenant.push(service, late));
      expect(refusal).toEqual({ status: 503, code, saysWhen: true });
      expect(await lasting.raised()).toBe(bound);
      expect(await device.push(late)).toMatchObject({ status: 503, reason: code });
      await lasting.stop();
      expect(await device.drain()).toEqual([]);
    }
    await device.catchUp();
    await tenant.expectNothingLost();
  },
);

// The same by what really makes PostgreSQL say so.

const lockTenant = () =>
  outsider.query('SELECT FROM tenants WHERE id = $1 FOR UPDATE', [tenant.id]);

/** The service's backends that wait for a lock. */
async function waiting(): Promise<number[]> {
  const monitor = await connect();
  const text = `SELECT pid FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'landfall'
                   AND wait_event_type = 'Lock'`;
  const pids = async () => (await monitor.query<{ pid: number }>(text)).rows.map(({ pid }) => pid);
  await expect.poll(pids, { timeout: 10_000, interval: 10 }).not.toEqual([]);
  return pids();
}

test('fault 13: 55P03 of a tenant that stays locked ends in 503, and nothing is stored', async () => {
  const service = await newService(databaseUrl);
  const device = await deviceWithNote(service);
  await outsider.query('BEGIN');
  await lockTenant();
  const refused = await device.push(edits());
  expect(refused).toMatchObject({ outcome: 'fail', status: 503, reason: 'UNAVAILABLE' });
  await expect.poll(() => retried(service)).toEqual(['55P03']);
  expect((await outsider.query('SELECT FROM events')).rowCount).toBe(1);
  await outsider.query('COMMIT');
  expect(await device.drain()).toEqual([]);
  await tenant.expectNothingLost();
});

test('fault 13: 57014 of a statement that is canceled is met by another try', async () => {
  const service = await newService(databaseUrl);
  const device = await deviceWithNote(service);
  await outsider.query('BEGIN');
  await lockTenant();
  const pushed = device.push(edits());
  for (const pid of await waiting()) await outsider.query('SELECT pg_cancel_backend($1)', [pid]);
  await expect.poll(() => retried(service), { timeout: 10_000 }).toEqual(['57014']);
  await outsider.query('COMMIT');
  expect(await pushed).toMatchObject(applied);
  await tenant.expectNothingLost();
});

test('fault 13: 40P01 of a real deadlock is met by another try', async () => {
  const service = await newService(databaseUrl);
  const device = await deviceWithNote(service);
  // The victim is whose patience ends first: the service.
  await outsider.query("SET deadlock_timeout = '30s'");
  await outsider.query('BEGIN');
  await outsider.query('LOCK TABLE records IN SHARE MODE');
  const pushed = device.push(edits());
  await waiting();
  const locked = lockTenant();
  await expect.poll(() => retried(service), { timeout: 10_000 }).toEqual(['40P01']);
  await locked;
  await outsider.query('COMMIT');
  expect(await pushed).toMatchObject(applied);
  await tenant.expectNothingLost();
});

test('fault 13: 40001 of a database that isolates more strictly is met by another try', async () => {
  const { rows } = await outsider.query('SELECT current_database() AS name');
  await outsider.query(
    `ALTER DATABASE "${rows[0].name}" SET default_transaction_isolation = 'repeatable read'`,
  );
  const service = await newService(databaseUrl);
  const device = await deviceWithNote(service);
  await outsider.query('BEGIN');
  await outsider.query('UPDATE tenants SET head = head WHERE id = $1', [tenant.id]);
  const pushed = device.push(edits());
  await waiting();
  await outsider.query('COMMIT');
  expect(await pushed).toMatchObject(applied);
  await expect.poll(() => retried(service)).toEqual(['40001']);
  await tenant.expectNothingLost();
});
