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

test('an edit made on the newest version is accepted', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n0'), putNote('n1')]);
  const said = await tenant.pushStatuses([patchNote('n1', { title: 'A' }, { baseVersion: 2 })]);
  expect(said).toEqual(['applied']);
});

test('an edit made on an older version is a conflict that shows the record that won', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' }), putNote('n1', { title: 'B' })]);
  const stale = putNote('n1', { title: 'C' }, { baseVersion: 1 });
  const { processed, failed, results } = await tenant.push([stale]);
  const current = await tenant.record('n1');
  const { identityKey } = stale;
  expect(current).toMatchObject({ version: 2, data: { title: 'B', body: '' } });
  expect(processed).toEqual([]);
  expect(failed).toMatchObject([{ identityKey, code: 'CONFLICT', retryable: false, current }]);
  expect(results).toMatchObject([{ identityKey, status: 'failed', code: 'CONFLICT', current }]);
});

test('a conflict is kept in the log and takes a version, but changes no record', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' })]);
  const before = await tenant.pull();
  const stale = putNote('n1', { title: 'B' }, { baseVersion: 0 });
  await tenant.push([stale, putNote('n2')]);
  expect(await tenant.log()).toMatchObject([
    { version: 1, outcome: 'applied' },
    { version: 2, outcome: 'conflict', identityKey: stale.identityKey },
    { version: 3, outcome: 'applied' },
  ]);
  const { changes } = await tenant.pull({ since: before.checkpoint });
  expect(changes.map(({ entityId }) => entityId)).toEqual(['n2']);
});

test('a replayed conflict is a conflict again and writes nothing', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' })]);
  const stale = putNote('n1', { title: 'B' }, { baseVersion: 0 });
  const first = await tenant.push([stale]);
  const second = await tenant.push([stale]);
  expect(second.failed).toEqual(first.failed);
  expect(second.results).toEqual(first.results);
  expect(await tenant.head()).toBe(2);
});

test('a conflict moves no version that a later edit is compared with', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' })]);
  await tenant.push([putNote('n1', { title: 'B' }, { baseVersion: 0 })]);
  expect(await tenant.pushStatuses([putNote('n1', { title: 'C' }, { baseVersion: 1 })])).toEqual([
    'applied',
  ]);
});

test('baseVersion 0 means that there is no record yet', async () => {
  const tenant = await createTenant(service);
  const [first, second] = ['A', 'B'].map((title) => putNote('n1', { title }, { baseVersion: 0 }));
  expect(await tenant.pushStatuses([first, second])).toEqual(['applied', 'CONFLICT']);
});

test('a base where there is no record is a conflict with nothing', async () => {
  const tenant = await createTenant(service);
  const { failed } = await tenant.push([putNote('n1', {}, { baseVersion: 1 })]);
  expect(failed).toMatchObject([{ code: 'CONFLICT', current: null }]);
  expect(await tenant.record('n1')).toBeUndefined();
  expect(await tenant.log()).toMatchObject([{ version: 1, outcome: 'conflict' }]);
});

test('a later event of the entity that left its record as it was is a base too', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' }), putNote('n2'), putNote('n1', { title: 'A' })]);
  expect((await tenant.record('n1'))?.version).toBe(1);
  expect(await tenant.pushStatuses([putNote('n1', { title: 'B' }, { baseVersion: 3 })])).toEqual([
    'applied',
  ]);
});

test('an event of another entity is no base, whatever its version', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), putNote('n2'), putNote('n3')]);
  const said = await tenant.pushStatuses([putNote('n1', { title: 'A' }, { baseVersion: 3 })]);
  expect(said).toEqual(['CONFLICT']);
});

test('a conflict is no base: a refused edit does not make its own lost base exist', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' })]);
  const edits = ['B', 'C'].map((title) => putNote('n1', { title }, { baseVersion: 2 }));
  expect(await tenant.pushStatuses(edits)).toEqual(['CONFLICT', 'CONFLICT']);
  expect(await tenant.pushStatuses([putNote('n1', { title: 'D' }, { baseVersion: 3 })])).toEqual([
    'CONFLICT',
  ]);
  expect(await tenant.pushStatuses([putNote('n1', { title: 'E' }, { baseVersion: 1 })])).toEqual([
    'applied',
  ]);
});

test('an edit made before a delete is a conflict that shows the tombstone', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' }), removeNote('n1')]);
  const { failed } = await tenant.push([putNote('n1', { title: 'B' }, { baseVersion: 1 })]);
  expect(failed).toMatchObject([
    { code: 'CONFLICT', current: { deleted: true, version: 2, data: { title: 'A', body: '' } } },
  ]);
});

test('a delete made on an older version is a conflict like any edit', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), putNote('n1', { title: 'B' })]);
  expect(await tenant.pushStatuses([removeNote('n1', { baseVersion: 1 })])).toEqual(['CONFLICT']);
  expect(await tenant.record('n1')).toMatchObject({ deleted: false });
});

test('events that change nothing do not make an edit stale', async () => {
  const tenant = await createTenant(service);
  for (const [title, month] of ['A 02', 'late 01', 'A 03'].map((pair) => pair.split(' '))) {
    await tenant.push([
      putNote('n1', { title: `${title}` }, { occurredAt: `2026-${month}-01T00:00:00Z` }),
    ]);
  }
  expect(await tenant.pushStatuses([putNote('n1', { title: 'B' }, { baseVersion: 1 })])).toEqual([
    'applied',
  ]);
});

test('a device that edits twice offline names its own first edit as the base of the second', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' })]);
  const first = putNote('n1', { title: 'B' }, { baseVersion: 1 });
  const second = putNote('n1', { title: 'C' }, { baseKey: first.identityKey });
  const third = patchNote('n1', { body: 'D' }, { baseKey: second.identityKey });
  expect(await tenant.pushStatuses([first, second])).toEqual(['applied', 'applied']);
  expect(await tenant.pushStatuses([third])).toEqual(['applied']);
  expect((await tenant.record('n1'))?.data).toEqual({ title: 'C', body: 'D' });
});

test.each([
  ['in one batch, without times', 3, () => ({})],
  ['each in a batch, without times', 1, () => ({})],
  [
    'with a clock that runs backwards',
    3,
    (at: number) => ({ occurredAt: `2026-01-0${9 - at}T00:00:00Z` }),
  ],
  ['all at the same moment', 1, () => ({ occurredAt: '2026-01-01T00:00:00Z' })],
  ['in the future', 1, () => ({ occurredAt: '2199-01-01T00:00:00Z' })],
])('an edit cannot lose to the one it was made on: %s', async (_how, size, timesOf) => {
  const tenant = await createTenant(service);
  // Keys that would lose every tie.
  const keys = ['z', 'y', 'x', 'w', 'v', 'u'];
  const edits = keys.map((identityKey, at) => {
    const base = at === 0 ? {} : { baseKey: keys[at - 1] };
    const event = at === 3 ? removeNote('n1') : putNote('n1', { title: identityKey });
    return { ...event, identityKey, ...base, ...timesOf(at) };
  });
  for (let at = 0; at < edits.length; at += size) {
    const said = await tenant.pushStatuses(edits.slice(at, at + size));
    expect(said).toEqual(said.map(() => 'applied'));
  }
  expect(await tenant.record('n1')).toMatchObject({ deleted: false, data: { title: 'u' } });
});

test('an edit made on a version counts from just after it, and keeps a later time of its own', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', {}, { occurredAt: '2026-01-02T00:00:00Z' })]);
  const before = { baseVersion: 1, occurredAt: '2026-01-01T00:00:00Z' };
  const after = { baseVersion: 2, occurredAt: '2026-01-03T00:00:00Z' };
  await tenant.push([putNote('n1', { title: 'B' }, before), putNote('n1', { title: 'C' }, after)]);
  expect((await tenant.log()).map(({ effectiveAt }) => effectiveAt)).toEqual([
    Date.UTC(2026, 0, 2) * 1000,
    Date.UTC(2026, 0, 2) * 1000 + 1,
    Date.UTC(2026, 0, 3) * 1000,
  ]);
});

test("another device's write after the base makes the second edit a conflict", async () => {
  const tenant = await createTenant(service);
  const first = putNote('n1', { title: 'A' });
  await tenant.push([first], {}, 'phone');
  await tenant.push([putNote('n1', { title: 'B' })], {}, 'tablet');
  const second = putNote('n1', { title: 'C' }, { baseKey: first.identityKey });
  const { failed } = await tenant.push([second], {}, 'phone');
  expect(failed).toMatchObject([{ code: 'CONFLICT', current: { data: { title: 'B' } } }]);
});

test('an edit whose base has not arrived waits for it', async () => {
  const tenant = await createTenant(service);
  const base = putNote('n1', { title: 'A' });
  const edit = putNote('n1', { title: 'B' }, { baseKey: base.identityKey });
  const { failed } = await tenant.push([edit]);
  expect(failed).toMatchObject([{ code: 'BLOCKED', retryable: true, path: 'baseKey' }]);
  expect(await tenant.log()).toEqual([]);
  expect(await tenant.pushStatuses([base, edit])).toEqual(['applied', 'applied']);
});

test('a base that only another tenant knows is unknown', async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  const base = putNote('n1');
  await theirs.push([base]);
  const edit = putNote('n1', { title: 'B' }, { baseKey: base.identityKey });
  expect(await mine.pushStatuses([edit])).toEqual(['BLOCKED']);
});

test('a base that is an event of another entity is a mistake', async () => {
  const tenant = await createTenant(service);
  const [note, document] = [
    putNote('n2'),
    { identityKey: 'doc', kind: 'doc.put', payload: { id: 'n1', fields: { a: 1 } } },
  ];
  await tenant.push([note, document]);
  const { failed } = await tenant.push([
    putNote('n1', {}, { baseKey: note.identityKey }),
    putNote('n1', {}, { baseKey: document.identityKey }),
  ]);
  expect(failed).toMatchObject([
    { code: 'INVALID_EVENT', path: 'baseKey', retryable: false },
    { code: 'INVALID_EVENT', path: 'baseKey', retryable: false },
  ]);
});

test('an edit whose base lost by its clock is a conflict', async () => {
  const tenant = await createTenant(service);
  const lost = putNote('n1', { title: 'B' }, { occurredAt: '2026-01-01T00:00:00Z' });
  await tenant.push([putNote('n1', { title: 'A' }, { occurredAt: '2026-02-01T00:00:00Z' })]);
  await tenant.push([lost]);
  const { failed } = await tenant.push([putNote('n1', {}, { baseKey: lost.identityKey })]);
  expect(failed).toMatchObject([{ code: 'CONFLICT', current: { data: { title: 'A' } } }]);
});

test('an edit whose base was a conflict is a conflict, in the same batch and later', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' })]);
  const base = putNote('n1', { title: 'B' }, { baseVersion: 0 });
  const edit = putNote('n1', { title: 'C' }, { baseKey: base.identityKey });
  expect(await tenant.pushStatuses([base, edit])).toEqual(['CONFLICT', 'CONFLICT']);
  expect(await tenant.pushStatuses([copyWithNewKey(edit, { baseKey: base.identityKey })])).toEqual([
    'CONFLICT',
  ]);
  expect(await tenant.record('n1')).toMatchObject({ version: 1, data: { title: 'A' } });
});

test('an edit whose base changed nothing is accepted', async () => {
  const tenant = await createTenant(service);
  const [first, same] = [putNote('n1', { title: 'A' }), putNote('n1', { title: 'A' })];
  expect(await tenant.pushStatuses([first, same])).toEqual(['applied', 'noop']);
  const edit = putNote('n1', { title: 'B' }, { baseKey: same.identityKey });
  expect(await tenant.pushStatuses([edit])).toEqual(['applied']);
});

test('an event has one precondition or none', async () => {
  const tenant = await createTenant(service);
  const { failed } = await tenant.push([putNote('n1', {}, { baseVersion: 0, baseKey: 'k' })]);
  expect(failed).toMatchObject([{ code: 'INVALID_EVENT', path: 'baseKey' }]);
});
