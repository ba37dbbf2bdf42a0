import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundledKinds } from '../../../src/systems/bundled.ts';
import { documentKinds } from '../../testkit/kinds/document-kinds.ts';
import {
  copyWithNewKey,
  patchNote,
  putNote,
  removeNote,
} from '../../testkit/events/sent-events.ts';
import { createTenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, ...documentKinds('doc')] });
});
afterAll(() => service.close());

test('behind an event that may succeed later, all of its entity wait', async () => {
  const tenant = await createTenant(service);
  const events = [
    patchNote('n1', { title: 'A' }),
    putNote('n1', { title: 'B' }),
    putNote('n2'),
    patchNote('n1', { body: 'C' }),
    removeNote('n1'),
    patchNote('n2', { title: 'D' }),
  ];
  const answer = await tenant.push(events);
  expect(answer.results?.map(({ status, code }) => code ?? status)).toEqual([
    'NOT_FOUND',
    'BLOCKED',
    'applied',
    'BLOCKED',
    'BLOCKED',
    'applied',
  ]);
  expect(answer.failed.every(({ retryable }) => retryable)).toBe(true);
  expect(await tenant.record('n1')).toBeUndefined();
  expect(await tenant.head()).toBe(2);
});

test('what was blocked was not stored, and is accepted once its way is free', async () => {
  const tenant = await createTenant(service);
  const batch = [patchNote('n1', { title: 'B' }), patchNote('n1', { body: 'C' })];
  expect(await tenant.pushStatuses(batch)).toEqual(['NOT_FOUND', 'BLOCKED']);
  await tenant.push([putNote('n1', { title: 'A' })]);
  expect(await tenant.pushStatuses(batch)).toEqual(['applied', 'applied']);
  expect((await tenant.record('n1'))?.data).toEqual({ title: 'B', body: 'C' });
});

test('an event that can never succeed blocks nothing', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' })]);
  const known = putNote('n1', { title: 'B' });
  await tenant.push([known]);
  const said = await tenant.pushStatuses([
    putNote('n1', {}, { payload: { noteId: 'n1' } }),
    putNote('n1', {}, { occurredAt: 'never' }),
    putNote('n1', { title: 'stale' }, { baseVersion: 0 }),
    copyWithNewKey(known, { identityKey: known.identityKey, occurredAt: '2026-01-01T00:00:00Z' }),
    putNote('n1', { title: 'C' }),
  ]);
  expect(said).toEqual([
    'INVALID_PAYLOAD',
    'INVALID_TIMESTAMP',
    'CONFLICT',
    'IDENTITY_KEY_REUSED',
    'applied',
  ]);
});

test('an entity is its type and its id: the same id of another type is free', async () => {
  const tenant = await createTenant(service);
  const document = { kind: 'doc.put', payload: { id: 'n1', fields: { a: 1 } } };
  expect(
    await tenant.pushStatuses([
      patchNote('n1', { title: 'A' }),
      { identityKey: 'k1', ...document },
    ]),
  ).toEqual(['NOT_FOUND', 'applied']);
});

test('only events of the same batch block', async () => {
  const tenant = await createTenant(service);
  expect(await tenant.pushStatuses([patchNote('n1', { title: 'A' })])).toEqual(['NOT_FOUND']);
  expect(await tenant.pushStatuses([putNote('n1', { title: 'B' })])).toEqual(['applied']);
});

test('batches that arrive together do not block each other', async () => {
  const tenant = await createTenant(service);
  const ids = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6'];
  const said = await Promise.all(
    ids.flatMap((id) => [
      tenant.pushStatuses([patchNote(id, { title: 'A' }), patchNote('missing', { title: 'A' })]),
      tenant.pushStatuses([putNote(id, { title: 'B' })]),
    ]),
  );
  expect(said.filter((_answer, at) => at % 2 === 1)).toEqual(ids.map(() => ['applied']));
});

test('a patch of an entity that was never created is retryable and not stored', async () => {
  const tenant = await createTenant(service);
  const edit = patchNote('n1', { title: 'A' });
  const { failed } = await tenant.push([edit]);
  expect(failed).toMatchObject([{ code: 'NOT_FOUND', retryable: true }]);
  expect(await tenant.log()).toEqual([]);
});

test('a patch of an entity of which only the delete is known is retryable and not stored', async () => {
  const tenant = await createTenant(service);
  await tenant.push([removeNote('n1')]);
  const { failed } = await tenant.push([patchNote('n1', { title: 'A' })]);
  expect(failed).toMatchObject([{ code: 'NOT_FOUND', retryable: true }]);
  expect(await tenant.head()).toBe(1);
});

test("another tenant's entity is as if it did not exist", async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  await theirs.push([putNote('n1', { title: 'Theirs' })]);
  const { failed } = await mine.push([patchNote('n1', { title: 'Mine' })]);
  const { failed: nobodys } = await mine.push([patchNote('n1', { title: 'Mine' })]);
  expect(failed).toMatchObject([{ code: 'NOT_FOUND' }]);
  expect(failed[0]?.message).toBe(nobodys[0]?.message);
  expect((await theirs.record('n1'))?.data).toMatchObject({ title: 'Theirs' });
});
