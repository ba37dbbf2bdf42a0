import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { boxCreate } from '../testkit/kinds/storeroom-kinds.ts';
import { nextKey, patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant, statusesOf, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { createRetentionRunner, horizonsOf, letDaysPass } from '../testkit/app/retention.ts';

const yearMs = 365 * 86_400_000;

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, boxCreate] });
});
afterAll(() => service.close());
beforeEach(() => service.sql('TRUNCATE tenants, events, records, purged_records, conflicts'));

/** The versions that still have their payload. */
async function kept(tenant: Tenant): Promise<number[]> {
  const rows = await service.sql<{ version: number }>(
    `SELECT version::int AS version FROM event_log
      WHERE tenant_id = $1 AND payload IS NOT NULL ORDER BY version`,
    [tenant.id],
  );
  return rows.map(({ version }) => version);
}

test('without EVENT_RETENTION every event keeps its payload', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), putNote('n2')]);
  await letDaysPass(tenant, 5000);
  await createRetentionRunner(service)();
  expect(await kept(tenant)).toEqual([1, 2]);
  expect(await horizonsOf(tenant)).toMatchObject({ logHorizon: 0 });
});

test('the payloads of old events are dropped, batch by batch, and newer events keep theirs', async () => {
  const tenant = await createTenant(service);
  await tenant.push(Array.from({ length: 7 }, (_, at) => putNote(`n${at}`)));
  await letDaysPass(tenant, 366);
  await tenant.push([putNote('n8'), putNote('n9')]);
  const clean = createRetentionRunner(service, { eventMs: yearMs, batchRows: 3 });
  expect(await clean()).toMatchObject({ payloads: 7 });
  expect(await kept(tenant)).toEqual([8, 9]);
  expect(await horizonsOf(tenant)).toEqual({ horizon: 0, logHorizon: 7 });
  expect(await clean()).toMatchObject({ payloads: 0 });
  await letDaysPass(tenant, 366, 7);
  expect(await clean()).toMatchObject({ payloads: 2 });
  expect(await kept(tenant)).toEqual([]);
});

test('a resend of an event without payload is still a duplicate, with its outcome and version', async () => {
  const tenant = await createTenant(service);
  const events = [
    putNote('n1', { title: 'A' }),
    putNote('n1', { title: 'A' }),
    putNote('n1', { title: 'late' }, { occurredAt: '2020-01-01T00:00:00Z' }),
    patchNote('n1', { body: 'B' }),
    removeNote('n1'),
  ];
  const first = await tenant.push(events);
  await letDaysPass(tenant, 366);
  await createRetentionRunner(service, { eventMs: yearMs })();
  expect(await kept(tenant)).toEqual([]);
  const again = await tenant.push(events);
  expect(statusesOf(again)).toEqual(statusesOf(first).map((said) => `duplicate of ${said}`));
  expect(again.results?.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5]);
  const reused = { ...putNote('n9'), identityKey: events[0]?.identityKey ?? '' };
  expect(await tenant.pushStatuses([reused])).toEqual(['IDENTITY_KEY_REUSED']);
  expect(await tenant.head()).toBe(5);
});

test('after its payload was dropped, an event is still told from every other event with its key', async () => {
  const tenant = await createTenant(service);
  const box = { identityKey: nextKey(), kind: 'box.create', payload: { id: 'b', label: 'L' } };
  const occurredAt = '2026-01-01T00:00:00.000001Z';
  const first = putNote('n1', { title: 'é' }, { occurredAt });
  const second = patchNote('n1', { body: 'B' }, { baseVersion: 1 });
  const third = patchNote('n1', { body: 'C' }, { baseKey: second.identityKey });
  const events = [first, second, third, box];
  expect(await tenant.pushStatuses(events)).toEqual(events.map(() => 'applied'));
  await letDaysPass(tenant, 366);
  await createRetentionRunner(service, { eventMs: yearMs })();
  expect(await kept(tenant)).toEqual([]);

  const { baseVersion: _base, ...secondWithoutBase } = second;
  const others = [
    { ...first, occurredAt: '2026-01-01T00:00:00.000002Z' },
    { ...first, payload: { ...first.payload, title: 'e' } },
    { ...first, kind: 'note.patch' },
    { ...second, baseVersion: 2 },
    secondWithoutBase,
    { ...third, baseKey: first.identityKey },
    { ...third, sequence: 1 },
    { ...box, payload: { ...box.payload, label: 'M' } },
    // What the kind implies is not what the client has sent.
    { ...box, baseVersion: 0 },
  ];
  expect(await tenant.pushStatuses(others)).toEqual(others.map(() => 'IDENTITY_KEY_REUSED'));
  const turned = {
    payload: Object.fromEntries(Object.entries(first.payload).toReversed()),
    ...{ kind: first.kind, identityKey: first.identityKey, baseKey: null },
    occurredAt: '2026-01-01T01:00:00.000001+01:00',
  };
  const resends = [turned, first, second, third, { ...box, version: 1 }];
  expect(await tenant.pushStatuses(resends)).toEqual(resends.map(() => 'duplicate of applied'));
  expect(await tenant.head()).toBe(4);
});

test('a conflict keeps its payload, and a resend gets the same answer', async () => {
  const tenant = await createTenant(service);
  const loser = putNote('n1', { title: 'B' }, { baseVersion: 1 });
  await tenant.push([putNote('n1'), putNote('n1', { title: 'A' })]);
  const first = await tenant.push([loser]);
  expect(statusesOf(first)).toEqual(['CONFLICT']);
  await letDaysPass(tenant, 366);
  const clean = createRetentionRunner(service, { eventMs: yearMs, batchRows: 1 });
  expect(await clean()).toMatchObject({ payloads: 2 });
  expect(await kept(tenant)).toEqual([3]);
  expect(await horizonsOf(tenant)).toMatchObject({ logHorizon: 3 });
  expect((await tenant.push([loser])).failed).toEqual(first.failed);
});

test('checkpoints and edits that refer to an event without payload still work', async () => {
  const tenant = await createTenant(service);
  const base = putNote('n1', { title: 'A' });
  await tenant.push([base]);
  await letDaysPass(tenant, 366);
  const puller = tenant.device('puller');
  await puller.catchUp(1);
  await createRetentionRunner(service, { eventMs: yearMs })();
  expect(await kept(tenant)).toEqual([]);
  const edit = patchNote(
    'n1',
    { title: 'B' },
    { baseKey: base.identityKey, identityKey: nextKey() },
  );
  expect(await tenant.pushStatuses([edit])).toEqual(['applied']);
  await puller.catchUp(1);
  // The oracle does not know about the time that the test skipped.
  await expectNothingLost({ ...tenant.checkOptions, devices: [puller], model: null });
});
