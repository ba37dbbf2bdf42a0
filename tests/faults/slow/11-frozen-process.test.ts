import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { patch, put } from '../../testkit/oracle/events.ts';
import { isCommitOfPush } from '../scenarios.ts';
import { newDatabase, newProxy, newService, newTenant } from '../stage.ts';

async function connect(databaseUrl: string): Promise<pg.Client> {
  const client = new pg.Client(databaseUrl);
  client.on('error', () => {});
  onTestFinished(() => client.end());
  await client.connect();
  return client;
}

/** In which states the service's backends are. */
async function statesOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ state: string }>(
    `SELECT DISTINCT state FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'landfall' ORDER BY state`,
  );
  return rows.map(({ state }) => state);
}

const held = 'idle in transaction';
/** For what hangs: idle_in_transaction_session_timeout is 5 s. */
const patience = { timeout: 20_000, interval: 50 };

test('fault 11: a process frozen in a transaction holds its tenant no longer than the timeout', async () => {
  const databaseUrl = await newDatabase();
  const [frozen, other] = [await newService(databaseUrl), await newService(databaseUrl)];
  const tenant = newTenant(databaseUrl);
  const [laptop, phone] = [tenant.device('laptop', frozen), tenant.device('phone', other)];
  expect(await laptop.push([put('n1')])).toMatchObject({ outcome: 'ok' });

  // It waits for the tenant's row as it freezes, and so has it when it is let go.
  const [outsider, monitor] = [await connect(databaseUrl), await connect(databaseUrl)];
  await outsider.query('BEGIN');
  await outsider.query('SELECT FROM tenants WHERE id = $1 FOR UPDATE', [tenant.id]);
  const pushed = laptop.push([patch('n1', { title: 'frozen' }), put('n2')]);
  await expect.poll(() => statesOf(monitor), patience).toContain('active');
  frozen.freeze();
  await outsider.query('COMMIT');
  await expect.poll(() => statesOf(monitor), patience).toContain(held);
  const meanwhile = phone.push([patch('n1', { body: 'meanwhile' })]);
  await expect.poll(() => statesOf(monitor), patience).not.toContain(held);
  await meanwhile;
  expect(await phone.drain()).toEqual([]);

  frozen.thaw();
  expect(await pushed).toMatchObject({ outcome: 'fail', status: 503, reason: 'UNAVAILABLE' });
  expect(await laptop.drain()).toEqual([]);
  expect(await laptop.push([patch('n2', { title: 'goes on' })])).toMatchObject({ outcome: 'ok' });
  expect(await statesOf(monitor)).toEqual(['idle']);
  for (const device of [laptop, phone]) await device.catchUp();
  await tenant.expectNothingLost();
});

test('fault 11: a process frozen past every timeout while it commits tells no lie about it', async () => {
  const databaseUrl = await newDatabase();
  const network = await newProxy(databaseUrl);
  const service = await newService(network.url);
  const tenant = newTenant(databaseUrl);
  const laptop = tenant.device('laptop', service);
  expect(await laptop.push([put('n1')])).toMatchObject({ outcome: 'ok' });

  const answered = network.keepAnswerTo(isCommitOfPush);
  const pushed = laptop.push([patch('n1', { title: 'frozen' }), put('n2')]);
  const answer = await answered;
  service.freeze();
  answer.pass();
  // Longer than the process itself waits for an answer, which is 10 s.
  await sleep(11_000);
  service.thaw();

  // The answer and the end of its patience are there at the same moment.
  const { status, reason = 'answered' } = await pushed;
  expect([
    [200, 'answered'],
    [503, 'COMMIT_UNKNOWN'],
  ]).toContainEqual([status, reason]);
  expect(await laptop.drain()).toEqual([]);
  expect(await laptop.push([patch('n2', { title: 'goes on' })])).toMatchObject({ outcome: 'ok' });
  const monitor = await connect(databaseUrl);
  await expect.poll(() => statesOf(monitor), patience).toEqual(['idle']);
  await laptop.catchUp();
  await tenant.expectNothingLost();
});
