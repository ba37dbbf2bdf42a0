import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditOf } from '../testkit/oracle/audit.ts';
import { noteKinds } from '../testkit/oracle/audit-kinds.ts';
import { put } from '../testkit/oracle/events.ts';
import { createTenant } from '../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../testkit/app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: noteKinds });
});
afterAll(() => service.close());

test('the stored outcome of each key is told in the order asked, and which are unknown', async () => {
  const tenant = await createTenant(service);
  const first = put('n1', { title: 'A' });
  const late = put('n1', {}, { occurredAt: '2026-01-01T00:00:00Z' });
  const stale = put('n1', { title: 'B' }, { baseVersion: 0 });
  const broken = put('n1', {}, { payload: {} });
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

test('the receipt of a conflict tells how it was settled', async () => {
  const tenant = await createTenant(service);
  const stale = put('n1', {}, { baseVersion: 3 });
  await tenant.push([stale]);
  const audit = auditOf(tenant);
  await audit.resolve(stale.identityKey, { resolution: 'force' });
  expect(await audit.receipts(stale.identityKey)).toMatchObject([
    { outcome: 'conflict', resolution: 'force' },
  ]);
});

test('a receipt stays when the payload is dropped', async () => {
  const tenant = await createTenant(service);
  const event = put('n1');
  await tenant.push([event]);
  await service.sql('UPDATE events SET payload = NULL WHERE tenant_id = $1', [tenant.id]);
  expect(await auditOf(tenant).receipts(event.identityKey)).toMatchObject([{ outcome: 'applied' }]);
});

test("another tenant's key is unknown", async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  const event = put('n1');
  await theirs.push([event]);
  await mine.push([put('n1')]);
  const { identityKey } = event;
  expect(await auditOf(mine).receipts(identityKey)).toEqual([{ identityKey, found: false }]);
});

test('keys are separated by commas, and a comma in a key is percent-encoded', async () => {
  const tenant = await createTenant(service);
  const keys = ['a', 'b', 'a,b', '50%2C', 'ü +&='];
  await tenant.push(keys.map((identityKey) => ({ ...put('n1'), identityKey })));
  const ask = async (query: string) => {
    const url = `/api/sync/receipts?${query}`;
    const { body } = await service.request({ url, sender: tenant.sender() });
    return body.receipts.map((receipt: { found: boolean; identityKey: string }) => [
      receipt.identityKey,
      receipt.found,
    ]);
  };
  const all = keys.map((key) => [key, true]);
  expect(await ask(`identityKeys=${keys.map(encodeURIComponent).join(',')}`)).toEqual(all);
  const repeated = keys.map((key) => `identityKeys=${encodeURIComponent(key)}`).join('&');
  expect(await ask(repeated)).toEqual(all);
  const form = new URLSearchParams();
  for (const key of keys) form.append('identityKeys', key);
  expect(await ask(form.toString())).toEqual(all);
  expect(await ask('identityKeys=a,b&identityKeys=a%2Cb')).toEqual([
    ['a', true],
    ['b', true],
    ['a,b', true],
  ]);
});

test('a hundred keys are told at once', async () => {
  const tenant = await createTenant(service);
  const events = Array.from({ length: 100 }, (_, at) => put(`n${at}`));
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
