import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  accept,
  patchRecord,
  putRecord,
  reject,
  removeRecord,
} from '../../../src/domain/kinds/decisions.ts';
import { createTenant } from '../../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app.ts';
import { orderedKind, other, play, type Script, scriptKind } from './scripts.ts';

const self = { entityType: 'script', entityId: 's1' };
const seen: unknown[] = [];

const plays: { readonly [name: string]: Script } = {
  'not owner': () => reject('NOT_OWNER', 'it is not yours'),
  'not now': () => reject('NOT_NOW', 'later'),
  'not now, but soon': () => reject('NOT_NOW', 'soon', { retryAfterMs: 1 }),
  nothing: () => accept(),
  'put both': () => accept(putRecord(self, { a: 1 }), putRecord(other, { a: 1 })),
  'patch other': () => accept(patchRecord(other, { b: 2 })),
  'patch other with nothing': () => accept(patchRecord(other, {})),
  'remove other': () => accept(removeRecord(other)),
  look: (records) => {
    seen.push(records.find('script', 'other'));
    return accept();
  },
  'scribble on what it read': (records) => {
    Object.assign(records.find('script', 'other')?.data ?? {}, { a: 'scribbled' });
    return accept(putRecord(self, { ...records.find('script', 'other')?.data }));
  },
};

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [scriptKind(plays), orderedKind] });
});
afterAll(() => service.close());

const does = (name: string) => play('script', name);

test('an event on what is not its own is refused for good', async () => {
  const tenant = await createTenant(service);
  const { failed } = await tenant.push([does('not owner')]);
  expect(failed).toMatchObject([
    { code: 'NOT_OWNER', message: 'it is not yours', retryable: false },
  ]);
  expect(await tenant.head()).toBe(0);
});

test('when to try again stands in the table of failures, and a rejection may say otherwise', async () => {
  const tenant = await createTenant(service);
  const { failed } = await tenant.push([does('not now')]);
  expect(failed).toMatchObject([{ code: 'NOT_NOW', retryable: true, retryAfterMs: 5_000 }]);
  const sooner = await tenant.push([does('not now, but soon')]);
  expect(sooner.failed).toMatchObject([{ code: 'NOT_NOW', retryable: true, retryAfterMs: 1 }]);
});

test('an event that is accepted and writes nothing is a noop, and takes its version', async () => {
  const tenant = await createTenant(service);
  const event = does('nothing');
  expect(await tenant.said([event, event])).toEqual(['noop', 'duplicate of noop']);
  expect(await tenant.log()).toMatchObject([{ version: 1, outcome: 'noop' }]);
  expect((await tenant.records()).size).toBe(0);
});

test('an event that writes what is there already is a noop, and its records are not sent again', async () => {
  const tenant = await createTenant(service);
  expect(await tenant.said([does('put both'), does('put both')])).toEqual(['applied', 'noop']);
  expect([...(await tenant.records()).values()].map(({ version }) => version)).toEqual([1, 1]);
});

test('a patch keeps the other fields, and one without fields changes nothing', async () => {
  const tenant = await createTenant(service);
  const said = await tenant.said([
    does('put both'),
    does('patch other'),
    does('patch other with nothing'),
  ]);
  expect(said).toEqual(['applied', 'applied', 'noop']);
  expect(await tenant.record('other')).toMatchObject({ version: 2, data: { a: 1, b: 2 } });
});

test('a record can be removed, and is then not there for the next event', async () => {
  const tenant = await createTenant(service);
  seen.length = 0;
  await tenant.push([does('look'), does('put both'), does('look')]);
  await tenant.push([does('remove other'), does('look')]);
  expect(await tenant.record('other')).toMatchObject({ deleted: true, version: 4, data: { a: 1 } });
  expect(seen).toMatchObject([undefined, { ...other, version: 2, data: { a: 1 } }, undefined]);
});

test('what decide does to the data that it read changes nothing', async () => {
  const tenant = await createTenant(service);
  await tenant.push([does('put both'), does('scribble on what it read')]);
  expect(await tenant.record('other')).toMatchObject({ version: 1, data: { a: 1 } });
  expect(await tenant.record('s1')).toMatchObject({ version: 1, data: { a: 1 } });
});

test('decisions of an ordered kind are taken by their numbers', async () => {
  const tenant = await createTenant(service);
  const step = (sequence: number) => ({ ...play('ordered', `step ${sequence}`), sequence });
  expect(await tenant.said([step(2)])).toEqual(['SEQUENCE_GAP']);
  expect(await tenant.said([step(1), step(2)])).toEqual(['applied', 'applied']);
  expect(await tenant.said([step(2), step(3)])).toEqual(['SEQUENCE_CONFLICT', 'applied']);
});

test('a decision of an ordered kind that writes no record to keep its number on is a fault', async () => {
  const tenant = await createTenant(service);
  const step = (name: string) => ({ ...play('ordered', name), sequence: 1 });
  expect(await tenant.said([step('nothing')])).toEqual(['KIND_FAILED']);
  expect(await tenant.said([step('something')])).toEqual(['applied']);
});

test('an event may be made on an own one that wrote no record', async () => {
  const tenant = await createTenant(service);
  const first = does('nothing');
  const second = { ...does('nothing'), baseKey: first.identityKey };
  expect(await tenant.said([first, second])).toEqual(['noop', 'noop']);
});
