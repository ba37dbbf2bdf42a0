import { expect, test } from 'vitest';
import { patch, put } from '../testkit/oracle/events.ts';
import { isCommitOfPush } from './scenarios.ts';
import { newDatabase, newProxy, newService, newTenant } from './stage.ts';

const events = (title: string) => [
  put('n1', { title }),
  patch('n1', { body: title }),
  put('n2', { title }),
];

test.each([
  ['the answer to COMMIT is lost, and the retry answers duplicates', 'duplicate'],
  ['COMMIT itself is lost, and the retry is the first to be stored', 'applied'],
])('fault 7: %s', async (_what, status) => {
  const databaseUrl = await newDatabase();
  const network = await newProxy(databaseUrl);
  const service = await newService(network.url);
  const tenant = newTenant(databaseUrl);
  const device = tenant.device('laptop', service);
  await device.push([put('n0')]);
  for (const atomic of [false, true]) {
    const lost =
      status === 'duplicate'
        ? network.loseAnswerTo(isCommitOfPush)
        : network.stopAt(isCommitOfPush).then((kept) => kept.cut());
    const pushed = await device.push(events(`atomic: ${atomic}`), { atomic });
    await lost;
    expect(pushed).toMatchObject({ outcome: 'unknown', status: 503, reason: 'COMMIT_UNKNOWN' });
    const [retry] = await device.retryUnknown();
    expect(retry?.answer?.results?.map((result) => result.status)).toEqual(Array(3).fill(status));
  }
  await tenant.expectNothingLost();
});
