import { expect, test } from 'vitest';
import { putNote } from '../../testkit/events/sent-events.ts';
import { expectHealthyPool, smallPoolEnv } from '../backends.ts';
import { isCommitOfPush } from '../scenarios.ts';
import { newDatabase, newProxy, newService, newTenant } from '../fixtures.ts';

test('fault 8: with a black hole between the service and PostgreSQL requests are answered 503 in bounded time, and no connection leaks', async () => {
  const databaseUrl = await newDatabase();
  const network = await newProxy(databaseUrl);
  const service = await newService(network.url, smallPoolEnv);
  const tenants = Array.from({ length: 3 }, () => newTenant(databaseUrl));
  const devices = tenants.map((tenant) => tenant.device('laptop', service));
  for (const device of devices) await device.push([putNote('n0')]);
  const pushNext = async (index: number) => devices[index]?.push([putNote('n1'), putNote('n2')]);
  const pull = async () => {
    const tenant = tenants[0]?.id ?? '';
    const headers = { authorization: `Bearer ${service.token({ tenant })}` };
    const signal = AbortSignal.timeout(30_000);
    return (await fetch(`${service.url}/api/sync/changes`, { headers, signal })).status;
  };

  // When the traffic is paused, one push is in the middle of its transaction, and one is committed without its answer.
  // Later there come one more push, and more pulls than there are connections.
  const heldStatement = network.holdRequest(({ transaction }) => transaction.length === 4);
  const inTheMiddle = pushNext(0);
  const statement = await heldStatement;
  const heldAnswer = network.holdAnswerTo(isCommitOfPush);
  const atTheEnd = pushNext(1);
  const commit = await heldAnswer;
  network.pauseTraffic();
  statement.release();
  commit.release();
  const later = pushNext(2);
  const pulls = Array.from({ length: 2 * Number(smallPoolEnv.DATABASE_POOL_SIZE) }, pull);
  expect((await fetch(`${service.url}/livez`)).status).toBe(200);

  expect(await inTheMiddle).toMatchObject({ status: 503, reason: 'UNAVAILABLE' });
  expect(await atTheEnd).toMatchObject({ status: 503, reason: 'COMMIT_UNKNOWN' });
  expect(await later).toMatchObject({ status: 503, reason: 'UNAVAILABLE' });
  expect(await Promise.all(pulls)).toEqual(pulls.map(() => 503));

  network.resumeTraffic();
  for (const device of devices) expect(await device.drain()).toEqual([]);
  expect(await pull()).toBe(200);
  await expectHealthyPool({ databaseUrl, network, endpoint: service });
  for (const tenant of tenants) await tenant.expectNothingLost();
}, 120_000);
