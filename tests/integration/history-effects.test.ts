import pg from 'pg';
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
    ['shelf.put', 'shelf s', 0, 1],
    ['thing.place', 'thing a', 1, 2],
    ['thing.place', 'thing b', 2, 4],
  ]);
  expect(ofShelf.events[2]).toMatchObject({
    identityKey: b.identityKey,
    payload: b.payload,
    deviceId: 'phone',
  });
  expect((await audit.history('thing', 'b')).events).toMatchObject([
    { identityKey: b.identityKey, recordBefore: 0, recordAfter: 4 },
  ]);
});

test('effects are paged together with the entity’s own events, in version order', async () => {
  const tenant = await createTenant(service);
  for (let round = 0; round < 4; round += 1) {
    await putShelf(tenant, 's', 9);
    await tenant.push([place(`thing-${round}`, 's'), place(`other-${round}`, 's')]);
  }
  const audit = auditOf(tenant);
  const whole = await audit.history('shelf', 's');
  expect(whole.events.map(({ version }) => version)).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
  ]);
  for (const limit of [1, 5, 11, 12]) {
    const paged: unknown[] = [];
    for (let after: number | null = 0; after !== null; ) {
      const page = await audit.history('shelf', 's', { after, limit });
      expect(page.events.length).toBeLessThanOrEqual(limit);
      paged.push(...page.events);
      after = page.nextAfter;
    }
    expect(paged).toEqual(whole.events);
  }
});

test('no entry is skipped if several are stored while a page is read', async () => {
  const tenant = await createTenant(service);
  await putShelf(tenant, 's', 5);
  const audit = auditOf(tenant);
  const writer = new pg.Client({ connectionString: service.database.url });
  await writer.connect();
  try {
    await writer.query('BEGIN; LOCK TABLE effects IN ACCESS EXCLUSIVE MODE');
    // The request has read the events of the shelf, and waits before it reads the effects.
    const reading = audit.history('shelf', 's');
    await expect.poll(() => waitsForEffects(writer)).toBe(true);
    await storeBoth(writer, tenant.id);
    await writer.query('COMMIT');
    const first = await reading;
    expect(first.events.map(({ version }) => version)).toEqual([1]);
    const { events } = await audit.history('shelf', 's', { after: 1 });
    expect(events.map(({ version }) => version)).toEqual([2, 3]);
  } finally {
    await writer.end();
  }
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

async function waitsForEffects(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query(
    "SELECT FROM pg_locks WHERE NOT granted AND relation = 'effects'::regclass",
  );
  return rows.length > 0;
}

/** Version 2 is about the shelf, version 3 about a thing, and writes to the shelf. */
async function storeBoth(client: pg.Client, tenantId: string): Promise<void> {
  await client.query(`CREATE TEMP TABLE copy AS SELECT * FROM events WHERE tenant_id = '${tenantId}';
    UPDATE copy SET version = 2, identity_key = 'about the shelf';
    INSERT INTO events SELECT * FROM copy;
    UPDATE copy SET version = 3, identity_key = 'about a thing', entity_type = 'thing';
    INSERT INTO events SELECT * FROM copy;
    INSERT INTO effects SELECT tenant_id, 'shelf', entity_id, 3, 2, 3 FROM copy;
    UPDATE tenants SET head = 3 WHERE id = '${tenantId}'`);
}
