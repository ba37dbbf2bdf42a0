import { afterAll, beforeAll, expect, test } from 'vitest';
import { documentKinds, e1, type Fields } from '../testkit/oracle/documents.ts';
import { createTenant } from '../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../testkit/app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: documentKinds('doc') });
});
afterAll(() => service.close());

const { put, patch, remove } = e1;
const alive = (data: Fields) => ({ deleted: false, data });
const dead = (data: Fields) => ({ deleted: true, data });

test('a loser is superseded: processed, kept in the log, and shown what won', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put(2, { a: 2 })]);
  const before = await tenant.record('e1');
  const loser = put(1, { a: 1 });
  const { processed, results } = await tenant.push([loser]);
  expect(processed).toEqual([loser.identityKey]);
  expect(results).toMatchObject([{ status: 'superseded', version: 2, current: before }]);
  expect(await tenant.record('e1')).toEqual(before);
  expect(await tenant.log()).toMatchObject([{}, { outcome: 'superseded' }]);
});

test('a loser that is sent again is shown what won as it is by then', async () => {
  const tenant = await createTenant(service);
  const loser = put(1, { a: 1 });
  for (const event of [put(2, { a: 2 }), loser, put(3, { a: 3 })]) await tenant.push([event]);
  const { results } = await tenant.push([loser]);
  const current = await tenant.record('e1');
  expect(current).toMatchObject(alive({ a: 3 }));
  expect(results).toMatchObject([{ status: 'duplicate', original: 'superseded', current }]);
});

test('a put of which one field remains is applied', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put(1, { a: 1, b: 1 }), patch(3, { a: 3 })]);
  expect(await tenant.said([put(2, { a: 2, b: 2 })])).toEqual(['applied']);
});

test('a put of which nothing remains is superseded', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put(1, { a: 1, b: 1 }), patch(3, { a: 3, b: 3 })]);
  expect(await tenant.said([put(2, { a: 2, b: 2 })])).toEqual(['superseded']);
});

test('a patch of which one field remains is applied', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put(1, { a: 1, b: 1 }), patch(3, { a: 3 })]);
  expect(await tenant.said([patch(2, { a: 2 }), patch(2, { a: 2, b: 2 })])).toEqual([
    'superseded',
    'applied',
  ]);
});

test('a write that leaves the record as it is changes nothing, but its time counts', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put(1, { a: 1 })]);
  const before = await tenant.record('e1');
  expect(await tenant.said([put(3, { a: 1 })])).toEqual(['noop']);
  expect(await tenant.record('e1')).toEqual(before);
  expect(await tenant.said([put(2, { a: 2 })])).toEqual(['superseded']);
  expect((await tenant.record('e1'))?.data).toEqual({ a: 1 });
});

test('a second delete changes nothing, but its time counts', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put(1, { a: 1 }), remove(2)]);
  expect(await tenant.said([remove(4)])).toEqual(['noop']);
  expect(await tenant.said([put(3, { a: 1 })])).toEqual(['superseded']);
  expect(await tenant.record('e1')).toMatchObject(dead({ a: 1 }));
});

test('a delete of an entity never seen makes a tombstone without data', async () => {
  const tenant = await createTenant(service);
  expect(await tenant.said([remove(2)])).toEqual(['applied']);
  expect(await tenant.record('e1')).toMatchObject({ deleted: true, data: null, version: 1 });
});

test('a put from before a delete that came first lies under its tombstone', async () => {
  const tenant = await createTenant(service);
  await tenant.push([remove(2)]);
  const { results } = await tenant.push([put(1, { a: 1 })]);
  const current = await tenant.record('e1');
  expect(current).toMatchObject(dead({ a: 1 }));
  expect(results).toMatchObject([{ status: 'superseded', current }]);
  expect(await tenant.said([patch(3, { b: 3 })])).toEqual(['applied']);
  expect(await tenant.record('e1')).toMatchObject(alive({ a: 1, b: 3 }));
});

test('what changes under a tombstone reaches those who have the tombstone', async () => {
  const tenant = await createTenant(service);
  await tenant.push([remove(2)]);
  const seen = await tenant.pull({ since: tenant.start });
  await tenant.push([put(1, { a: 1 })]);
  const { changes } = await tenant.pull({ since: seen.checkpoint });
  expect(changes).toMatchObject([{ entityId: 'e1', deleted: true, version: 2, data: { a: 1 } }]);
});
