import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundledKinds } from '../../../src/systems/bundled.ts';
import { documentKinds } from '../../testkit/oracle/documents.ts';
import { another, patch, put, remove } from '../../testkit/oracle/events.ts';
import { createTenant } from '../../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, ...documentKinds('doc')] });
});
afterAll(() => service.close());

test('behind an event that may succeed later, all of its entity wait', async () => {
  const tenant = await createTenant(service);
  const events = [
    patch('n1', { title: 'A' }),
    put('n1', { title: 'B' }),
    put('n2'),
    patch('n1', { body: 'C' }),
    remove('n1'),
    patch('n2', { title: 'D' }),
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
  const batch = [patch('n1', { title: 'B' }), patch('n1', { body: 'C' })];
  expect(await tenant.said(batch)).toEqual(['NOT_FOUND', 'BLOCKED']);
  await tenant.push([put('n1', { title: 'A' })]);
  expect(await tenant.said(batch)).toEqual(['applied', 'applied']);
  expect((await tenant.record('n1'))?.data).toEqual({ title: 'B', body: 'C' });
});

test('an event that can never succeed blocks nothing', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1', { title: 'A' })]);
  const known = put('n1', { title: 'B' });
  await tenant.push([known]);
  const said = await tenant.said([
    put('n1', {}, { payload: { noteId: 'n1' } }),
    put('n1', {}, { occurredAt: 'never' }),
    put('n1', { title: 'stale' }, { baseVersion: 0 }),
    another(known, { identityKey: known.identityKey, occurredAt: '2026-01-01T00:00:00Z' }),
    put('n1', { title: 'C' }),
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
    await tenant.said([patch('n1', { title: 'A' }), { identityKey: 'k1', ...document }]),
  ).toEqual(['NOT_FOUND', 'applied']);
});

test('only events of the same batch block', async () => {
  const tenant = await createTenant(service);
  expect(await tenant.said([patch('n1', { title: 'A' })])).toEqual(['NOT_FOUND']);
  expect(await tenant.said([put('n1', { title: 'B' })])).toEqual(['applied']);
});

test('batches that arrive together do not block each other', async () => {
  const tenant = await createTenant(service);
  const ids = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6'];
  const said = await Promise.all(
    ids.flatMap((id) => [
      tenant.said([patch(id, { title: 'A' }), patch('missing', { title: 'A' })]),
      tenant.said([put(id, { title: 'B' })]),
    ]),
  );
  expect(said.filter((_answer, at) => at % 2 === 1)).toEqual(ids.map(() => ['applied']));
});

test('a patch of an entity that was never created is retryable and not stored', async () => {
  const tenant = await createTenant(service);
  const edit = patch('n1', { title: 'A' });
  const { failed } = await tenant.push([edit]);
  expect(failed).toMatchObject([{ code: 'NOT_FOUND', retryable: true }]);
  expect(await tenant.log()).toEqual([]);
});

test('a patch of an entity of which only the delete is known is retryable and not stored', async () => {
  const tenant = await createTenant(service);
  await tenant.push([remove('n1')]);
  const { failed } = await tenant.push([patch('n1', { title: 'A' })]);
  expect(failed).toMatchObject([{ code: 'NOT_FOUND', retryable: true }]);
  expect(await tenant.head()).toBe(1);
});

test("another tenant's entity is as if it did not exist", async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  await theirs.push([put('n1', { title: 'Theirs' })]);
  const { failed } = await mine.push([patch('n1', { title: 'Mine' })]);
  const { failed: nobodys } = await mine.push([patch('n1', { title: 'Mine' })]);
  expect(failed).toMatchObject([{ code: 'NOT_FOUND' }]);
  expect(failed[0]?.message).toBe(nobodys[0]?.message);
  expect((await theirs.record('n1'))?.data).toMatchObject({ title: 'Theirs' });
});
