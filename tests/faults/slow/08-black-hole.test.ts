import { expect, test } from 'vitest';
import { put } from '../../testkit/oracle/events.ts';
import { expectWholePool, pooled } from '../backends.ts';
import { isCommitOfPush } from '../scenarios.ts';
import { newDatabase, newProxy, newService, newTenant } from '../stage.ts';

test('fault 8: a black hole between node and postgres answers 503 in bounded time and leaks no connection', async () => {
  const databaseUrl = await newDatabase();
  const network = await newProxy(databaseUrl);
  const service = await newService(network.url, pooled);
  const tenants = Array.from({ length: 3 }, () => newTenant(databaseUrl));
  const devices = tenants.map((tenant) => tenant.device('laptop', service));
  for (const device of devices) await device.push([put('n0')]);
  const pushNext = async (index: number) => devices[index]?.push([put('n1'), put('n2')]);
  const pull = async () => {
    const tenant = tenants[0]?.id ?? '';
    const headers = { authorization: `Bearer ${service.token({ tenant })}` };
    const signal = AbortSignal.timeout(30_000);
    return (await fetch(`${service.url}/api/sync/changes`, { headers, signal })).status;
  };

  // It opens around one push in the middle of its transaction, one that the database has committed,
  // one that comes later, and more pulls than there are connections.
  const begun = network.stopAt(({ transaction }) => transaction.length === 4);
  const inTheMiddle = pushNext(0);
  const statement = await begun;
  const committed = network.keepAnswerTo(isCommitOfPush);
  const atTheEnd = pushNext(1);
  const commit = await committed;
  network.hold();
  statement.pass();
  commit.pass();
  const later = pushNext(2);
  const pulls = Array.from({ length: 2 * Number(pooled.DATABASE_POOL_SIZE) }, pull);
  expect((await fetch(`${service.url}/livez`)).status).toBe(200);

  expect(await inTheMiddle).toMatchObject({ status: 503, reason: 'UNAVAILABLE' });
  expect(await atTheEnd).toMatchObject({ status: 503, reason: 'COMMIT_UNKNOWN' });
  expect(await later).toMatchObject({ status: 503, reason: 'UNAVAILABLE' });
  expect(await Promise.all(pulls)).toEqual(pulls.map(() => 503));

  network.release();
  for (const device of devices) expect(await device.drain()).toEqual([]);
  expect(await pull()).toBe(200);
  await expectWholePool({ databaseUrl, network, at: service });
  for (const tenant of tenants) await tenant.expectNothingLost();
}, 120_000);
