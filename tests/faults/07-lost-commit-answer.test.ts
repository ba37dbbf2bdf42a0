import { expect, test } from 'vitest';
import { patchNote, putNote } from '../testkit/events/sent-events.ts';
import { isCommitOfPush } from './scenarios.ts';
import { newDatabase, newProxy, newService, newTenant } from './fixtures.ts';

const events = (title: string) => [
  putNote('n1', { title }),
  patchNote('n1', { body: title }),
  putNote('n2', { title }),
];

test.each([
  ['the answer to COMMIT is lost, a retry is answered with duplicates', 'duplicate'],
  ['COMMIT itself is lost, a retry is stored', 'applied'],
])('fault 7: where %s', async (_what, status) => {
  const databaseUrl = await newDatabase();
  const network = await newProxy(databaseUrl);
  const service = await newService(network.url);
  const tenant = newTenant(databaseUrl);
  const device = tenant.device('laptop', service);
  await device.push([putNote('n0')]);
  for (const atomic of [false, true]) {
    const lost =
      status === 'duplicate'
        ? network.loseAnswerTo(isCommitOfPush)
        : network.holdRequest(isCommitOfPush).then((commit) => commit.reset());
    const pushed = await device.push(events(`atomic: ${atomic}`), { atomic });
    await lost;
    expect(pushed).toMatchObject({ outcome: 'unknown', status: 503, reason: 'COMMIT_UNKNOWN' });
    const [retry] = await device.retryUnknown();
    expect(retry?.answer?.results?.map((result) => result.status)).toEqual(Array(3).fill(status));
  }
  await tenant.expectNothingLost();
});
