import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { createCallGate } from '../testkit/app/call-gate.ts';

const headReads = createCallGate();
const pageReads = createCallGate();
const maxWaiting = 28;
/** The queries of each read of heads. */
const readQueries: (readonly unknown[])[] = [];
let service: TestApp;
beforeAll(async () => {
  service = await startApp({
    env: { MAX_QUEUED_READS: `${maxWaiting}` },
    wrapDatabase: (real) => {
      const { feed } = real;
      const recordingFeed: typeof feed = {
        ...feed,
        readHeads(queries) {
          readQueries.push(queries);
          return feed.readHeads(queries);
        },
      };
      return {
        ...real,
        feed: pageReads.guard(headReads.guard(recordingFeed, 'readHeads'), 'readPage'),
      };
    },
  });
});
afterAll(() => service.close());
afterEach(() => {
  headReads.open();
  pageReads.open();
});

async function upToDate(...events: readonly object[]) {
  const tenant = await createTenant(service);
  await tenant.push(events);
  const { checkpoint } = await tenant.pull();
  return { tenant, checkpoint };
}

/** Starts a read of heads by another tenant that runs until `headReads.open()`. */
async function holdHeadRead(): Promise<void> {
  const { tenant, checkpoint } = await upToDate(putNote('n1'));
  headReads.close();
  void tenant.pull({ since: checkpoint });
  await expect.poll(() => headReads.waitingCalls).toBe(1);
  readQueries.length = 0;
}

/** OVERLOADED if the maximum of reads waits. The call itself does not wait, because it has no token. */
async function codeWithoutToken(): Promise<unknown> {
  const headers = { authorization: 'none' };
  return (await service.request({ url: '/api/sync/changes', headers })).body.code;
}

const poll = ({ tenant, checkpoint }: { tenant: Tenant; checkpoint: string }) =>
  tenant.pull({ since: checkpoint });

test('one read of heads answers the concurrent polls of many tenants, and each gets its own changes', async () => {
  const quiet = await Promise.all(
    Array.from({ length: 12 }, () => upToDate(putNote('n1'), putNote('n2'))),
  );
  const busy = await Promise.all(Array.from({ length: 4 }, () => upToDate(putNote('n1'))));
  for (const { tenant } of busy) await tenant.push([putNote('new', { title: tenant.id })]);
  await holdHeadRead();
  const answers = [...quiet, ...busy, ...quiet].map(poll);
  await expect.poll(codeWithoutToken).toBe('OVERLOADED');
  headReads.open();
  const pulled = await Promise.all(answers);
  expect(readQueries).toHaveLength(2);
  expect(readQueries[1]).toHaveLength(maxWaiting);
  for (const [at, { tenant, checkpoint }] of [...quiet, ...busy, ...quiet].entries()) {
    const page = pulled[at];
    if (!page) throw new Error('no answer');
    const isBusy = at >= 12 && at < 16;
    expect(page.changes.map(({ data }) => data?.title)).toEqual(isBusy ? [tenant.id] : []);
    expect(page).toMatchObject({ position: 3, hasMore: false });
    expect(page.checkpoint === checkpoint).toBe(!isBusy);
  }
});

test('a poll reads a page only if there are changes', async () => {
  const { tenant, checkpoint } = await upToDate(putNote('n1'));
  pageReads.close();
  expect((await tenant.pull({ since: checkpoint })).changes).toEqual([]);
  await tenant.push([putNote('n2')]);
  const changed = tenant.pull({ since: checkpoint });
  await expect.poll(() => pageReads.waitingCalls).toBe(1);
  // A change between the read of the head and the read of the page is on the page.
  await tenant.push([putNote('n3')]);
  pageReads.open();
  expect((await changed).changes).toMatchObject([{ entityId: 'n2' }, { entityId: 'n3' }]);
  expect((await changed).position).toBe(4);
});

test('a change that is committed during a read of heads is found by the next poll at the latest', async () => {
  const { tenant, checkpoint } = await upToDate(putNote('n1'));
  await holdHeadRead();
  const meanwhile = tenant.pull({ since: checkpoint });
  await tenant.push([putNote('n2')]);
  headReads.open();
  const { changes, checkpoint: next } = await meanwhile;
  const rest = await tenant.pull({ since: next });
  expect([...changes, ...rest.changes]).toMatchObject([{ entityId: 'n2' }]);
});

test('devices of one tenant with different checkpoints get different changes', async () => {
  const { tenant, checkpoint } = await upToDate(putNote('n1'));
  await tenant.push([putNote('n2')]);
  const newest = (await tenant.pull({ since: checkpoint })).checkpoint;
  await holdHeadRead();
  const answers = [newest, checkpoint, newest, checkpoint].map((since) => tenant.pull({ since }));
  headReads.open();
  const changeCounts = (await Promise.all(answers)).map(({ changes }) => changes.length);
  expect(changeCounts).toEqual([0, 1, 0, 1]);
});

test('an unfinished bootstrap reads its pages without a read of heads', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), putNote('n2'), putNote('n3')]);
  headReads.close();
  const first = await tenant.pull({ limit: 1 });
  const second = await tenant.pull({ limit: 1, since: first.checkpoint });
  expect([first, second].map(({ changes }) => changes.length)).toEqual([1, 1]);
});

test('an expired checkpoint is refused, and the other polls of the same read are answered', async () => {
  const [lost, kept] = [await upToDate(putNote('n1')), await upToDate(putNote('n1'))];
  await service.sql('UPDATE tenants SET epoch = gen_random_uuid() WHERE id = $1', [lost.tenant.id]);
  await holdHeadRead();
  const url = `/api/sync/changes?since=${lost.checkpoint}`;
  const refused = service.request({ url, sender: lost.tenant.sender() });
  const answered = poll(kept);
  headReads.open();
  expect((await refused).body.code).toBe('CHECKPOINT_EXPIRED');
  expect((await answered).changes).toEqual([]);
});
