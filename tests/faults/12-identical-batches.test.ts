import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { withClient } from '../testkit/postgres/client.ts';
import { newDatabase, newService, newTenant } from './fixtures.ts';

const [identicals, overlaps] = [50, 12];
const range = (count: number) => Array.from({ length: count }, (_, at) => at);

/** Waits until the service has no connection, as a backend may report its counters only when it ends. */
function deadlocksOf(databaseUrl: string): Promise<number> {
  return withClient(databaseUrl, async (client) => {
    const serviceConnections = `SELECT count(*)::int AS others FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'landfall'`;
    await expect
      .poll(async () => (await client.query(serviceConnections)).rows, { timeout: 30_000 })
      .toEqual([{ others: 0 }]);
    const text = `SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()`;
    return (await client.query(text)).rows[0].deadlocks;
  });
}

test('fault 12: identical batches and overlapping reversed batches at the same time are applied once, without a deadlock', async () => {
  const databaseUrl = await newDatabase();
  const deadlocks = await deadlocksOf(databaseUrl);
  // Small groups with batches of many tenants, so that several transactions need the locks of the same tenants.
  const env = { COMMIT_LANES: '3', MAX_GROUP_EVENTS: '20' };
  const services = [
    await newService(databaseUrl, env),
    await newService(databaseUrl, env),
  ] as const;
  const tenants = range(8).map(() => newTenant(databaseUrl));
  const all = tenants.map((tenant, index) => {
    const devices = range(4).map((at) =>
      tenant.device(`d${at}`, at % 2 === 0 ? services[0] : services[1]),
    );
    const identical = [
      putNote('n1', { title: `${index}` }),
      patchNote('n1', { body: 'B' }),
      putNote('n0', { title: 'late' }, { occurredAt: '2020-01-01T00:00:00Z' }),
      putNote('n2'),
      removeNote('n2'),
    ];
    const events = range(40).map((at) => putNote(`own-${at % 13}`, { title: `${at}` }));
    const overlapping = range(overlaps).map((at) => {
      const part = events.slice(at % 7, 40 - (at % 5));
      return at % 2 === 0 ? part : part.toReversed();
    });
    const batches = [...range(identicals).map(() => identical), ...overlapping];
    return { tenant, devices, identical, batches };
  });

  // The batches of all tenants alternate, and each tenant starts with another batch.
  const pushAll = () =>
    range(identicals + overlaps).flatMap((at) =>
      all.flatMap(({ devices, batches }, index) => {
        const turn = (at + index * 7) % batches.length;
        return devices[turn % 4]?.push(batches[turn] ?? []) ?? [];
      }),
    );
  // From another device, as the service keeps the order of one device's edits.
  for (const { tenant } of all) await tenant.device('founder', services[0]).push([putNote('n0')]);
  await withClient(databaseUrl, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT FROM tenants FOR UPDATE');
    const work = { done: false };
    const pushes = Promise.all(pushAll()).finally(() => (work.done = true));
    // Batches that arrive meanwhile wait, so that the next groups are full.
    await sleep(1_000);
    await client.query('COMMIT');
    // A group that waits for one tenant holds the locks of the tenants before it. With another order of locking,
    // another group could hold the lock of a tenant after it.
    for (let turn = 0; !work.done; turn += 1) {
      const { id } = tenants[(turn * 3) % tenants.length] ?? {};
      await client.query('BEGIN');
      await client.query('SELECT FROM tenants WHERE id = $1 FOR UPDATE', [id]);
      await sleep(30);
      await client.query('COMMIT');
    }
    await pushes;
  });

  for (const { tenant, devices, identical } of all) {
    const { requests } = tenant.history;
    expect(requests.filter(({ outcome }) => outcome === 'unknown')).toEqual([]);
    for (const device of devices) expect(await device.drain()).toEqual([]);
    const identicalStatuses = requests
      .filter((request) => request.outcome === 'ok' && request.events === identical)
      .map(({ answer }) => answer?.results?.map(({ status }) => status).join());
    const decided = ['applied', 'applied', 'superseded', 'applied', 'applied'].join();
    const resent = identical.map(() => 'duplicate').join();
    expect(identicalStatuses.filter((statuses) => statuses === decided)).toHaveLength(1);
    expect(identicalStatuses.filter((statuses) => statuses === resent)).toHaveLength(
      identicals - 1,
    );
    const results = requests.flatMap(({ answer }) => answer?.results ?? []);
    expect(new Set(results.map(({ version }) => version)).size).toBe(46);
    await devices[0]?.catchUp(7);
    await tenant.expectNothingLost();
  }
  for (const service of services) await service.stop();
  expect(await deadlocksOf(databaseUrl)).toBe(deadlocks);
});
