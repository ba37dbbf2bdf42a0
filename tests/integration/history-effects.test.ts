import { afterAll, beforeAll, expect, test } from 'vitest';
import { allScopes } from '../../src/http/auth/issue-token.ts';
import { storeroomKinds } from '../testkit/kinds/storeroom-kinds.ts';
import { auditOf } from '../testkit/app/audit.ts';
import { nextKey, putNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: storeroomKinds });
});
afterAll(() => service.close());

/** Creates a shelf with one event. The kind needs the scope of an administrator. */
async function putShelf(tenant: Tenant, id: string, room: number): Promise<void> {
  const sender = { ...tenant.sender('office'), scope: `${allScopes} shelf:admin` };
  const event = { identityKey: nextKey(), kind: 'shelf.put', payload: { id, room } };
  await service.push([event], {}, sender);
}

function place(id: string, shelf: string) {
  return { identityKey: nextKey(), kind: 'thing.place', payload: { id, shelf } };
}

test('an event with effects is in the history of each record that it wrote, with the versions of that record', async () => {
  const tenant = await createTenant(service);
  await putShelf(tenant, 's', 5);
  const [a, b] = [place('a', 's'), place('b', 's')];
  await tenant.push([a, putNote('n1'), b], {}, 'phone');
  const audit = auditOf(tenant);
  const ofShelf = await audit.history('shelf', 's');
  const rows = ofShelf.events.map((event) => [
    event.kind,
    `${event.entityType} ${event.entityId}`,
    event.recordBefore,
    event.recordAfter,
  ]);
  expect(rows).toEqual([
    ['thing.place', 'thing b', 2, 4],
    ['thing.place', 'thing a', 1, 2],
    ['shelf.put', 'shelf s', 0, 1],
  ]);
  expect(ofShelf.events[0]).toMatchObject({
    identityKey: b.identityKey,
    payload: b.payload,
    deviceId: 'phone',
  });
  expect((await audit.history('thing', 'b')).events).toMatchObject([
    { identityKey: b.identityKey, recordBefore: 0, recordAfter: 4 },
  ]);
});

test('effects are paged together with the entity’s own events, the newest first', async () => {
  const tenant = await createTenant(service);
  for (let round = 0; round < 4; round += 1) {
    await putShelf(tenant, 's', 9);
    await tenant.push([place(`thing-${round}`, 's'), place(`other-${round}`, 's')]);
  }
  const audit = auditOf(tenant);
  const whole = await audit.history('shelf', 's');
  expect(whole.events.map(({ version }) => version)).toEqual([
    12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1,
  ]);
  for (const limit of [1, 5, 11, 12]) {
    const paged: unknown[] = [];
    for (let before: number | null | undefined; before !== null; ) {
      const query = before === undefined ? {} : { before };
      const page = await audit.history('shelf', 's', { ...query, limit });
      expect(page.events.length).toBeLessThanOrEqual(limit);
      paged.push(...page.events);
      before = page.nextBefore;
    }
    expect(paged).toEqual(whole.events);
  }
});

test('no entry is skipped or repeated if events are stored while the pages are read', async () => {
  const tenant = await createTenant(service);
  await putShelf(tenant, 's', 9);
  for (const id of ['a', 'b', 'c']) await tenant.push([place(id, 's')]);
  const audit = auditOf(tenant);
  const read: number[] = [];
  for (let before: number | null | undefined; before !== null; ) {
    const query = before === undefined ? {} : { before };
    const page = await audit.history('shelf', 's', { ...query, limit: 1 });
    read.push(...page.events.map(({ version }) => version));
    before = page.nextBefore;
    await putShelf(tenant, 's', 9);
    await tenant.push([place(`later-${read.length}`, 's')]);
  }
  expect(read).toEqual([4, 3, 2, 1]);
});

test("a history has no effects of another tenant's events", async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  await putShelf(theirs, 's', 5);
  await theirs.push([place('a', 's')]);
  await mine.push([putNote('n1'), putNote('n2')]);
  for (const type of ['shelf', 'thing']) {
    const id = type === 'shelf' ? 's' : 'a';
    expect((await auditOf(theirs).history(type, id)).events).not.toEqual([]);
    expect((await auditOf(mine).history(type, id)).events).toEqual([]);
  }
});
