import { expect, test } from 'vitest';
import { readStored } from '../testkit/checker/stored.ts';
import { patch, put, remove } from '../testkit/oracle/events.ts';
import { entranceOf, isCommitOfPush } from './scenarios.ts';
import { newDatabase, newProxy, newService, newTenant } from './stage.ts';

test.each([
  ['the service that comes back', 1],
  ['another process', 2],
])(
  'fault 3: kill -9 after COMMIT was sent and before its answer: %s answers duplicates of the same versions',
  async (_who, processes) => {
    const databaseUrl = await newDatabase();
    const network = await newProxy(databaseUrl);
    const killed = await newService(network.url);
    let service = killed;
    const other = processes === 2 ? await newService(databaseUrl) : undefined;
    const tenant = newTenant(databaseUrl);
    const entrance = entranceOf(() => service);
    const device = tenant.device('laptop', entrance);
    await tenant.device('phone', entrance).push([put('n0', { title: 'A' })]);

    const kept = network.keepAnswerTo(isCommitOfPush);
    const pushed = device.push([
      put('n1'),
      patch('n1', { body: 'B' }),
      put('n0', { title: 'late' }, { occurredAt: '2020-01-01T00:00:00Z' }),
      patch('n1', { body: 'B' }),
      put('n0', {}, { baseVersion: 0 }),
      remove('n1'),
    ]);
    const answer = await kept;
    await killed.kill();
    answer.cut();
    expect(await pushed).toMatchObject({ outcome: 'unknown', status: 0 });
    const { log } = await readStored(databaseUrl, tenant.id);
    expect(log.map(({ outcome }) => outcome)).toEqual([
      'applied',
      'applied',
      'applied',
      'superseded',
      'noop',
      'conflict',
      'applied',
    ]);

    service = other ?? (await newService(network.url));
    const [retry] = await device.retryUnknown();
    const results = retry?.answer?.results?.map((result) => {
      const { status, original, version, code } = result;
      return code ?? `${status} of ${original} at ${version}`;
    });
    expect(results).toEqual([
      'duplicate of applied at 2',
      'duplicate of applied at 3',
      'duplicate of superseded at 4',
      'duplicate of noop at 5',
      'CONFLICT',
      'duplicate of applied at 7',
    ]);
    expect((await readStored(databaseUrl, tenant.id)).log).toEqual(log);
    await tenant.expectNothingLost();
  },
);
