import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { patch, put, remove } from '../testkit/oracle/events.ts';
import { withClient } from '../testkit/template.ts';
import { newDatabase, newService, newTenant } from './stage.ts';

const [identicals, overlaps] = [50, 12];
const range = (count: number) => Array.from({ length: count }, (_, at) => at);

/** Backends report what they counted when they end, at the latest. */
function deadlocksOf(databaseUrl: string): Promise<number> {
  return withClient(databaseUrl, async (client) => {
    const alone = `SELECT count(*)::int AS others FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'landfall'`;
    await expect
      .poll(async () => (await client.query(alone)).rows, { timeout: 30_000 })
      .toEqual([{ others: 0 }]);
    const text = `SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()`;
    return (await client.query(text)).rows[0].deadlocks;
  });
}

test('fault 12: identical and overlapping reversed batches at once are applied once, without a deadlock', async () => {
  const databaseUrl = await newDatabase();
  const deadlocks = await deadlocksOf(databaseUrl);
  // Small groups of many tenants, so that several at once want the locks of the same tenants.
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
      put('n1', { title: `${index}` }),
      patch('n1', { body: 'B' }),
      put('n0', { title: 'late' }, { occurredAt: '2020-01-01T00:00:00Z' }),
      put('n2'),
      remove('n2'),
    ];
    const events = range(40).map((at) => put(`own-${at % 13}`, { title: `${at}` }));
    const overlapping = range(overlaps).map((at) => {
      const part = events.slice(at % 7, 40 - (at % 5));
      return at % 2 === 0 ? part : part.toReversed();
    });
    const batches = [...range(identicals).map(() => identical), ...overlapping];
    return { tenant, devices, identical, batches };
  });

  // One batch of each tenant in turn, another one each.
  const pushAll = () =>
    range(identicals + overlaps).flatMap((at) =>
      all.flatMap(({ devices, batches }, index) => {
        const turn = (at + index * 7) % batches.length;
        return devices[turn % 4]?.push(batches[turn] ?? []) ?? [];
      }),
    );
  // By another device, as the edits of one device keep their own order.
  for (const { tenant } of all) await tenant.device('founder', services[0]).push([put('n0')]);
  await withClient(databaseUrl, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT FROM tenants FOR UPDATE');
    const work = { done: false };
    const pushes = Promise.all(pushAll()).finally(() => (work.done = true));
    // All that comes meanwhile waits, so that the groups that follow are full.
    await sleep(1_000);
    await client.query('COMMIT');
    // A group that waits for one tenant holds those before it: in another order others would hold those after it.
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
    const ofIdentical = requests
      .filter((request) => request.outcome === 'ok' && request.events === identical)
      .map(({ answer }) => answer?.results?.map(({ status }) => status).join());
    const decided = ['applied', 'applied', 'superseded', 'applied', 'applied'].join();
    const replayed = identical.map(() => 'duplicate').join();
    expect(ofIdentical.filter((said) => said === decided)).toHaveLength(1);
    expect(ofIdentical.filter((said) => said === replayed)).toHaveLength(identicals - 1);
    const versions = requests.flatMap(({ answer }) => answer?.results ?? []);
    expect(new Set(versions.map(({ version }) => version)).size).toBe(46);
    await devices[0]?.catchUp(7);
    await tenant.expectNothingLost();
  }
  for (const service of services) await service.stop();
  expect(await deadlocksOf(databaseUrl)).toBe(deadlocks);
});
