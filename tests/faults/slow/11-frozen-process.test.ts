import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { patchNote, putNote } from '../../testkit/events/sent-events.ts';
import { isCommitOfPush } from '../scenarios.ts';
import { newClient, newDatabase, newProxy, newService, newTenant } from '../fixtures.ts';

/** The states of the service's backends. */
async function statesOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ state: string }>(
    `SELECT DISTINCT state FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'landfall' ORDER BY state`,
  );
  return rows.map(({ state }) => state);
}

const idleInTransaction = 'idle in transaction';
/** Longer than idle_in_transaction_session_timeout, which is 5 s. */
const polling = { timeout: 20_000, interval: 50 };

test('fault 11: a process that freezes in a transaction locks its tenant no longer than the timeout', async () => {
  const databaseUrl = await newDatabase();
  const [frozen, other] = [await newService(databaseUrl), await newService(databaseUrl)];
  const tenant = newTenant(databaseUrl);
  const [laptop, phone] = [tenant.device('laptop', frozen), tenant.device('phone', other)];
  expect(await laptop.push([putNote('n1')])).toMatchObject({ outcome: 'ok' });

  // The frozen process waits for the tenant's row. Its backend gets the lock when the outsider releases it.
  const [outsider, monitor] = [await newClient(databaseUrl), await newClient(databaseUrl)];
  await outsider.query('BEGIN');
  await outsider.query('SELECT FROM tenants WHERE id = $1 FOR UPDATE', [tenant.id]);
  const pushed = laptop.push([patchNote('n1', { title: 'frozen' }), putNote('n2')]);
  await expect.poll(() => statesOf(monitor), polling).toContain('active');
  frozen.freeze();
  await outsider.query('COMMIT');
  await expect.poll(() => statesOf(monitor), polling).toContain(idleInTransaction);
  const meanwhile = phone.push([patchNote('n1', { body: 'meanwhile' })]);
  await expect.poll(() => statesOf(monitor), polling).not.toContain(idleInTransaction);
  await meanwhile;
  expect(await phone.drain()).toEqual([]);

  frozen.thaw();
  expect(await pushed).toMatchObject({ outcome: 'fail', status: 503, reason: 'UNAVAILABLE' });
  expect(await laptop.drain()).toEqual([]);
  expect(await laptop.push([patchNote('n2', { title: 'goes on' })])).toMatchObject({
    outcome: 'ok',
  });
  expect(await statesOf(monitor)).toEqual(['idle']);
  for (const device of [laptop, phone]) await device.catchUp();
  await tenant.expectNothingLost();
});

test('fault 11: a process that freezes during a commit for longer than every timeout answers with the true outcome or COMMIT_UNKNOWN', async () => {
  const databaseUrl = await newDatabase();
  const network = await newProxy(databaseUrl);
  const service = await newService(network.url);
  const tenant = newTenant(databaseUrl);
  const laptop = tenant.device('laptop', service);
  expect(await laptop.push([putNote('n1')])).toMatchObject({ outcome: 'ok' });

  const heldAnswer = network.holdAnswerTo(isCommitOfPush);
  const pushed = laptop.push([patchNote('n1', { title: 'frozen' }), putNote('n2')]);
  const answer = await heldAnswer;
  service.freeze();
  answer.release();
  // The process waits 10 s for an answer of the database.
  await sleep(11_000);
  service.thaw();

  // When it continues, the answer and the timeout arrive at the same moment.
  const { status, reason = 'answered' } = await pushed;
  expect([
    [200, 'answered'],
    [503, 'COMMIT_UNKNOWN'],
  ]).toContainEqual([status, reason]);
  expect(await laptop.drain()).toEqual([]);
  expect(await laptop.push([patchNote('n2', { title: 'goes on' })])).toMatchObject({
    outcome: 'ok',
  });
  const monitor = await newClient(databaseUrl);
  await expect.poll(() => statesOf(monitor), polling).toEqual(['idle']);
  await laptop.catchUp();
  await tenant.expectNothingLost();
});
