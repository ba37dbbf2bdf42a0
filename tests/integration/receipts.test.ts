import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditOf } from '../testkit/app/audit.ts';
import { noteKinds } from '../testkit/kinds/storeroom-kinds.ts';
import { putNote } from '../testkit/events/sent-events.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { ofTenant } from '../testkit/postgres/tenant-history.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: noteKinds });
});
afterAll(() => service.close());

test('the answer has a receipt for each key, in the order of the keys, and marks unknown ones', async () => {
  const tenant = await createTenant(service);
  const first = putNote('n1', { title: 'A' });
  const late = putNote('n1', {}, { occurredAt: '2026-01-01T00:00:00Z' });
  const stale = putNote('n1', { title: 'B' }, { baseVersion: 0 });
  const broken = putNote('n1', {}, { payload: {} });
  await tenant.push([first]);
  await tenant.push([late]);
  await tenant.push([stale, broken]);
  const keys = [stale, broken, first, late].map(({ identityKey }) => identityKey);
  const receipts = await auditOf(tenant).receipts(...keys, 'never sent');
  expect(receipts).toEqual([
    {
      identityKey: stale.identityKey,
      found: true,
      version: 3,
      kind: 'note.put',
      entityType: 'note',
      entityId: 'n1',
      outcome: 'conflict',
      effectiveAt: expect.any(String),
      receivedAt: expect.any(String),
      clockAdjusted: false,
      resolution: null,
    },
    { identityKey: broken.identityKey, found: false },
    expect.objectContaining({ found: true, version: 1, outcome: 'applied' }),
    expect.objectContaining({
      version: 2,
      outcome: 'superseded',
      effectiveAt: '2026-01-01T00:00:00.000Z',
    }),
    { identityKey: 'never sent', found: false },
  ]);
});

test('the receipt of a conflict has its resolution', async () => {
  const tenant = await createTenant(service);
  const stale = putNote('n1', {}, { baseVersion: 3 });
  await tenant.push([stale]);
  const audit = auditOf(tenant);
  await audit.resolve(stale.identityKey, { resolution: 'force' });
  expect(await audit.receipts(stale.identityKey)).toMatchObject([
    { outcome: 'conflict', resolution: 'force' },
  ]);
});

test('a receipt stays after its payload was dropped', async () => {
  const tenant = await createTenant(service);
  const event = putNote('n1');
  await tenant.push([event]);
  await service.sql(`UPDATE events SET payload = NULL WHERE ${ofTenant}`, [tenant.id]);
  expect(await auditOf(tenant).receipts(event.identityKey)).toMatchObject([{ outcome: 'applied' }]);
});

test("another tenant's key is unknown", async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  const event = putNote('n1');
  await theirs.push([event]);
  await mine.push([putNote('n1')]);
  const { identityKey } = event;
  expect(await auditOf(mine).receipts(identityKey)).toEqual([{ identityKey, found: false }]);
});

test('keys are separated by commas, and a comma in a key is percent-encoded', async () => {
  const tenant = await createTenant(service);
  const keys = ['a', 'b', 'a,b', '50%2C', 'ü +&='];
  await tenant.push(keys.map((identityKey) => ({ ...putNote('n1'), identityKey })));
  const readReceipts = async (query: string) => {
    const url = `/api/sync/receipts?${query}`;
    const { body } = await service.request({ url, sender: tenant.sender() });
    return body.receipts.map((receipt: { found: boolean; identityKey: string }) => [
      receipt.identityKey,
      receipt.found,
    ]);
  };
  const all = keys.map((key) => [key, true]);
  expect(await readReceipts(`identityKeys=${keys.map(encodeURIComponent).join(',')}`)).toEqual(all);
  const repeated = keys.map((key) => `identityKeys=${encodeURIComponent(key)}`).join('&');
  expect(await readReceipts(repeated)).toEqual(all);
  const form = new URLSearchParams();
  for (const key of keys) form.append('identityKeys', key);
  expect(await readReceipts(form.toString())).toEqual(all);
  expect(await readReceipts('identityKeys=a,b&identityKeys=a%2Cb')).toEqual([
    ['a', true],
    ['b', true],
    ['a,b', true],
  ]);
});

test('a request can have a hundred keys', async () => {
  const tenant = await createTenant(service);
  const events = Array.from({ length: 100 }, (_, at) => putNote(`n${at}`));
  await tenant.push(events);
  const receipts = await auditOf(tenant).receipts(...events.map(({ identityKey }) => identityKey));
  expect(receipts.map((receipt) => receipt.found && receipt.version)).toEqual(
    events.map((_, at) => at + 1),
  );
});

test('reading needs sync:pull', async () => {
  const request = { url: '/api/sync/receipts?identityKeys=a', sender: { scope: 'sync:push' } };
  expect(await service.request(request)).toMatchObject({ status: 403 });
});
