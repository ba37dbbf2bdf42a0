import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { put } from '../testkit/oracle/events.ts';
import { createTenant, type Tenant } from '../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../testkit/app.ts';
import { createHold } from '../testkit/hold.ts';

const looks = createHold();
const pages = createHold();
const maxWaiting = 28;
/** What each look asked for. */
const asked: (readonly unknown[])[] = [];
let service: TestApp;
beforeAll(async () => {
  service = await startApp({
    env: { MAX_QUEUED_READS: `${maxWaiting}` },
    through: (real) => {
      const { feed } = real;
      const noted: typeof feed = {
        ...feed,
        readHeads(queries) {
          asked.push(queries);
          return feed.readHeads(queries);
        },
      };
      return { ...real, feed: pages.before(looks.before(noted, 'readHeads'), 'readPage') };
    },
  });
});
afterAll(() => service.close());
afterEach(() => {
  looks.open();
  pages.open();
});

async function upToDate(...events: readonly object[]) {
  const tenant = await createTenant(service);
  await tenant.push(events);
  const { checkpoint } = await tenant.pull();
  return { tenant, checkpoint };
}

/** A look of somebody else that is under way until `open`. */
async function holdALook(): Promise<void> {
  const { tenant, checkpoint } = await upToDate(put('n1'));
  looks.close();
  void tenant.pull({ since: checkpoint });
  await expect.poll(() => looks.waiting).toBe(1);
  asked.length = 0;
}

/** Says that as many wait as may. */
async function codeWithoutToken(): Promise<unknown> {
  const headers = { authorization: 'none' };
  return (await service.request({ url: '/api/sync/changes', headers })).body.code;
}

const poll = ({ tenant, checkpoint }: { tenant: Tenant; checkpoint: string }) =>
  tenant.pull({ since: checkpoint });

test('many tenants poll at once: one look answers, and each gets its own', async () => {
  const quiet = await Promise.all(Array.from({ length: 12 }, () => upToDate(put('n1'), put('n2'))));
  const busy = await Promise.all(Array.from({ length: 4 }, () => upToDate(put('n1'))));
  for (const { tenant } of busy) await tenant.push([put('new', { title: tenant.id })]);
  await holdALook();
  const answers = [...quiet, ...busy, ...quiet].map(poll);
  await expect.poll(codeWithoutToken).toBe('OVERLOADED');
  looks.open();
  const pulled = await Promise.all(answers);
  expect(asked).toHaveLength(2);
  expect(asked[1]).toHaveLength(maxWaiting);
  for (const [at, { tenant, checkpoint }] of [...quiet, ...busy, ...quiet].entries()) {
    const page = pulled[at];
    if (!page) throw new Error('no answer');
    const isBusy = at >= 12 && at < 16;
    expect(page.changes.map(({ data }) => data?.title)).toEqual(isBusy ? [tenant.id] : []);
    expect(page).toMatchObject({ position: 3, hasMore: false });
    expect(page.checkpoint === checkpoint).toBe(!isBusy);
  }
});

test('where nothing came no page is read, and where something came it is', async () => {
  const { tenant, checkpoint } = await upToDate(put('n1'));
  pages.close();
  expect((await tenant.pull({ since: checkpoint })).changes).toEqual([]);
  await tenant.push([put('n2')]);
  const changed = tenant.pull({ since: checkpoint });
  await expect.poll(() => pages.waiting).toBe(1);
  // What comes between the look and the page is on the page.
  await tenant.push([put('n3')]);
  pages.open();
  expect((await changed).changes).toMatchObject([{ entityId: 'n2' }, { entityId: 'n3' }]);
  expect((await changed).position).toBe(4);
});

test('what is committed while a look is under way is found by the next at the latest', async () => {
  const { tenant, checkpoint } = await upToDate(put('n1'));
  await holdALook();
  const meanwhile = tenant.pull({ since: checkpoint });
  await tenant.push([put('n2')]);
  looks.open();
  const { changes, checkpoint: next } = await meanwhile;
  const rest = await tenant.pull({ since: next });
  expect([...changes, ...rest.changes]).toMatchObject([{ entityId: 'n2' }]);
});

test('devices that have seen as much or less of one tenant are told apart', async () => {
  const { tenant, checkpoint } = await upToDate(put('n1'));
  await tenant.push([put('n2')]);
  const newest = (await tenant.pull({ since: checkpoint })).checkpoint;
  await holdALook();
  const answers = [newest, checkpoint, newest, checkpoint].map((since) => tenant.pull({ since }));
  looks.open();
  const found = (await Promise.all(answers)).map(({ changes }) => changes.length);
  expect(found).toEqual([0, 1, 0, 1]);
});

test('a bootstrap under way reads its pages without a look', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), put('n2'), put('n3')]);
  looks.close();
  const first = await tenant.pull({ limit: 1 });
  const second = await tenant.pull({ limit: 1, since: first.checkpoint });
  expect([first, second].map(({ changes }) => changes.length)).toEqual([1, 1]);
});

test('one checkpoint that has expired is refused, and the others of its group are answered', async () => {
  const [lost, kept] = [await upToDate(put('n1')), await upToDate(put('n1'))];
  await service.sql('UPDATE tenants SET epoch = gen_random_uuid() WHERE id = $1', [lost.tenant.id]);
  await holdALook();
  const url = `/api/sync/changes?since=${lost.checkpoint}`;
  const refused = service.request({ url, sender: lost.tenant.sender() });
  const answered = poll(kept);
  looks.open();
  expect((await refused).body.code).toBe('CHECKPOINT_EXPIRED');
  expect((await answered).changes).toEqual([]);
});
