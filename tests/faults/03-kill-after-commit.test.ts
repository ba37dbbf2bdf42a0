import { expect, test } from 'vitest';
import { readStoredState } from '../testkit/checker/stored-state.ts';
import { patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { endpointOf, isCommitOfPush } from './scenarios.ts';
import { newDatabase, newProxy, newService, newTenant } from './fixtures.ts';

test.each([
  ['the restarted service', 1],
  ['another process', 2],
])(
  'fault 3: after kill -9 between a COMMIT and its answer, %s answers a retry with duplicates of the same versions',
  async (_which, processes) => {
    const databaseUrl = await newDatabase();
    const network = await newProxy(databaseUrl);
    const killed = await newService(network.url);
    let service = killed;
    const other = processes === 2 ? await newService(databaseUrl) : undefined;
    const tenant = newTenant(databaseUrl);
    const entrance = endpointOf(() => service);
    const device = tenant.device('laptop', entrance);
    await tenant.device('phone', entrance).push([putNote('n0', { title: 'A' })]);

    const held = network.holdAnswerTo(isCommitOfPush);
    const pushed = device.push([
      putNote('n1'),
      patchNote('n1', { body: 'B' }),
      putNote('n0', { title: 'late' }, { occurredAt: '2020-01-01T00:00:00Z' }),
      patchNote('n1', { body: 'B' }),
      putNote('n0', {}, { baseVersion: 0 }),
      removeNote('n1'),
    ]);
    const answer = await held;
    await killed.kill();
    answer.reset();
    expect(await pushed).toMatchObject({ outcome: 'unknown', status: 0 });
    const { log } = await readStoredState(databaseUrl, tenant.id);
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
    expect((await readStoredState(databaseUrl, tenant.id)).log).toEqual(log);
    await tenant.expectNothingLost();
  },
);
