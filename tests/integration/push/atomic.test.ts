import { afterAll, beforeAll, expect, test } from 'vitest';
import { patchNote, putNote } from '../../testkit/events/sent-events.ts';
import { createTenant, statusesOf } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

const atomic = { atomic: true };

test('an atomic batch without failures is stored like any other', async () => {
  const tenant = await createTenant(service);
  const batch = [putNote('n1'), patchNote('n1', { title: 'A' }), putNote('n2')];
  expect(await tenant.pushStatuses(batch, atomic)).toEqual(['applied', 'applied', 'applied']);
  expect(await tenant.pushStatuses(batch, atomic)).toEqual(Array(3).fill('duplicate of applied'));
});

test('one failure fails an atomic batch, and nothing of it is stored', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n0')]);
  const events = [putNote('n1'), patchNote('missing', { title: 'A' }), putNote('n2')];
  const answer = await tenant.push(events, atomic);
  expect(answer.success).toBe(true);
  expect(answer.processed).toEqual([]);
  expect(answer.failed).toMatchObject([
    { identityKey: events[0]?.identityKey, code: 'BATCH_ABORTED', retryable: true },
    { identityKey: events[1]?.identityKey, code: 'NOT_FOUND', retryable: true },
    { identityKey: events[2]?.identityKey, code: 'BATCH_ABORTED', retryable: true },
  ]);
  expect([...(await tenant.records()).keys()]).toEqual(['n0']);
  expect(await tenant.head()).toBe(1);
});

test('an event that cannot be read fails an atomic batch as well', async () => {
  const tenant = await createTenant(service);
  expect(
    await tenant.pushStatuses([putNote('n1'), null, putNote('n2', {}, { kind: 'x' })], atomic),
  ).toEqual(['BATCH_ABORTED', 'INVALID_EVENT', 'UNKNOWN_KIND']);
  expect(await tenant.log()).toEqual([]);
});

test('a conflict fails an atomic batch and is not stored with it', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1')]);
  const stale = putNote('n1', { title: 'B' }, { baseVersion: 0 });
  const answer = await tenant.push([putNote('n2'), stale], atomic);
  expect(statusesOf(answer)).toEqual(['BATCH_ABORTED', 'CONFLICT']);
  expect(answer.failed[1]).toMatchObject({ current: { entityId: 'n1', version: 1 } });
  expect(await tenant.head()).toBe(1);
});

test('a conflict with an edit of the same atomic batch shows the record as it is stored', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' })]);
  const edits = [putNote('n1', { title: 'B' }), putNote('n1', { title: 'C' }, { baseVersion: 1 })];
  const { failed } = await tenant.push(edits, atomic);
  const current = await tenant.record('n1');
  expect(failed).toMatchObject([{ code: 'BATCH_ABORTED' }, { code: 'CONFLICT', current }]);
  expect(current).toMatchObject({ version: 1, data: { title: 'A' } });
});

test('duplicates in an atomic batch that fails answer BATCH_ABORTED too, and stay stored', async () => {
  const tenant = await createTenant(service);
  const known = putNote('n1', { title: 'A' });
  await tenant.push([known]);
  const broken = putNote('n2', {}, { payload: {} });
  const { failed } = await tenant.push([known, broken], atomic);
  expect(failed).toMatchObject([{ code: 'BATCH_ABORTED' }, { code: 'INVALID_PAYLOAD' }]);
  expect(await tenant.pushStatuses([known])).toEqual(['duplicate of applied']);
});

test('a reused key fails an atomic batch', async () => {
  const tenant = await createTenant(service);
  const known = putNote('n1', { title: 'A' });
  await tenant.push([known]);
  const reused = putNote('n1', { title: 'B' }, { identityKey: known.identityKey });
  expect(await tenant.pushStatuses([putNote('n2'), reused], atomic)).toEqual([
    'BATCH_ABORTED',
    'IDENTITY_KEY_REUSED',
  ]);
});

test('an aborted batch is accepted once what failed is mended, under the same keys', async () => {
  const tenant = await createTenant(service);
  const batch = [putNote('n1', { title: 'A' }), patchNote('n2', { title: 'B' })];
  expect(await tenant.pushStatuses(batch, atomic)).toEqual(['BATCH_ABORTED', 'NOT_FOUND']);
  await tenant.push([putNote('n2')]);
  expect(await tenant.pushStatuses(batch, atomic)).toEqual(['applied', 'applied']);
});

test('an event that loses by its clock, or changes nothing, does not fail an atomic batch', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' })]);
  const late = putNote('n1', { title: 'B' }, { occurredAt: '2026-01-01T00:00:00Z' });
  const same = putNote('n1', { title: 'A' });
  expect(await tenant.pushStatuses([late, same, putNote('n2')], atomic)).toEqual([
    'superseded',
    'noop',
    'applied',
  ]);
});

test('atomic batches that arrive together fail each for itself', async () => {
  const tenant = await createTenant(service);
  const batches = [1, 2, 3, 4, 5, 6].map((at) =>
    at % 2 === 0
      ? [putNote(`n${at}`), patchNote('missing', { title: 'A' })]
      : [putNote(`n${at}`), putNote(`m${at}`)],
  );
  const said = await Promise.all(batches.map((batch) => tenant.pushStatuses(batch, atomic)));
  expect(said).toEqual(
    batches.map((_batch, at) =>
      at % 2 === 0 ? ['applied', 'applied'] : ['BATCH_ABORTED', 'NOT_FOUND'],
    ),
  );
  expect([...(await tenant.records()).keys()].toSorted()).toEqual([
    'm1',
    'm3',
    'm5',
    'n1',
    'n3',
    'n5',
  ]);
  expect(await tenant.head()).toBe(6);
});

test('the checkpoint of an aborted batch can be pulled since', async () => {
  const tenant = await createTenant(service);
  const { checkpoint } = await tenant.push([putNote('n1'), null], atomic);
  await tenant.push([putNote('n2')]);
  const { changes } = await tenant.pull({ since: checkpoint });
  expect(changes.map(({ entityId }) => entityId)).toEqual(['n2']);
});
