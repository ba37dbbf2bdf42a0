import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundledKinds } from '../../../src/systems/bundled.ts';
import { documentKinds } from '../../testkit/kinds/document-kinds.ts';
import {
  copyWithNewKey,
  nextKey,
  patchNote,
  putNote,
  removeNote,
  type SentEvent,
} from '../../testkit/events/sent-events.ts';
import { createTenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, ...documentKinds('step', true)] });
});
afterAll(() => service.close());

let made = 0;
/** An event of an ordered kind. */
function step(id: string, sequence: number, rest: object = {}): SentEvent {
  made += 1;
  const payload = { id, fields: { made } };
  return { identityKey: nextKey(), kind: 'step.put', sequence, payload, ...rest };
}
const stepPatch = (id: string, sequence: number) => step(id, sequence, { kind: 'step.patch' });

// Each test holds what would fail in two steps at once, and expects the earlier one's answer.

test('1 before 2: an invalid event under a known key is invalid', async () => {
  const tenant = await createTenant(service);
  const event = putNote('n1');
  await tenant.push([event]);
  expect(await tenant.pushStatuses([{ ...event, payload: { noteId: 'n1' } }])).toEqual([
    'INVALID_PAYLOAD',
  ]);
  expect(await tenant.pushStatuses([{ ...event, sequence: 0 }])).toEqual(['INVALID_EVENT']);
  expect(await tenant.pushStatuses([{ ...event, kind: 'note.unheard-of' }])).toEqual([
    'UNKNOWN_KIND',
  ]);
});

test('1 before 3: an invalid event behind a blocking one is invalid', async () => {
  const tenant = await createTenant(service);
  const broken = putNote('n1', {}, { payload: { noteId: 'n1', title: 1, body: '' } });
  expect(await tenant.pushStatuses([patchNote('n1', { title: 'A' }), broken])).toEqual([
    'NOT_FOUND',
    'INVALID_PAYLOAD',
  ]);
});

test('2 before 3: a known event behind a blocking one is a duplicate', async () => {
  const tenant = await createTenant(service);
  const known = removeNote('n1');
  await tenant.push([known]);
  const reused = { ...known, occurredAt: '2026-01-01T00:00:00Z' };
  expect(await tenant.pushStatuses([patchNote('n1', { title: 'A' }), known, reused])).toEqual([
    'NOT_FOUND',
    'duplicate of applied',
    'IDENTITY_KEY_REUSED',
  ]);
});

test('2 before 4: a replay of a taken number is a duplicate', async () => {
  const tenant = await createTenant(service);
  const [one, two] = [step('s1', 1), step('s1', 2)];
  await tenant.push([one, two]);
  expect(await tenant.pushStatuses([one, two])).toEqual([
    'duplicate of applied',
    'duplicate of applied',
  ]);
});

test('2 before 5: a replay of an edit whose base is gone by now is a duplicate', async () => {
  const tenant = await createTenant(service);
  const created = putNote('n1', { title: 'A' });
  const edit = putNote('n1', { title: 'B' }, { baseVersion: 1 });
  await tenant.push([created, edit, putNote('n1', { title: 'C' })]);
  expect(await tenant.pushStatuses([edit])).toEqual(['duplicate of applied']);
});

test('2 before 6: a replay of a patch is a duplicate', async () => {
  const tenant = await createTenant(service);
  const created = putNote('n1', { title: 'A' });
  const edit = patchNote('n1', { title: 'B' });
  await tenant.push([created, edit, putNote('n1', { title: 'C' })]);
  expect(await tenant.pushStatuses([edit])).toEqual(['duplicate of applied']);
  expect((await tenant.record('n1'))?.data).toMatchObject({ title: 'C' });
});

test('3 before 4: behind a blocking event every number is blocked', async () => {
  const tenant = await createTenant(service);
  const said = await tenant.pushStatuses([stepPatch('s1', 1), step('s1', 1), step('s1', 9)]);
  expect(said).toEqual(['NOT_FOUND', 'BLOCKED', 'BLOCKED']);
});

test('a gap does not block: what closes it may come later in the same batch', async () => {
  const tenant = await createTenant(service);
  const [one, two, three] = [step('s1', 1), step('s1', 2), step('s1', 3)];
  expect(await tenant.pushStatuses([three, one, two])).toEqual([
    'SEQUENCE_GAP',
    'applied',
    'applied',
  ]);
  expect(await tenant.pushStatuses([three, one, two])).toEqual([
    'applied',
    'duplicate of applied',
    'duplicate of applied',
  ]);
});

test('3 before 5: behind a blocking event a stale edit is blocked, not a conflict', async () => {
  const tenant = await createTenant(service);
  await tenant.push([removeNote('n1')]);
  const stale = putNote('n1', {}, { baseVersion: 0 });
  expect(await tenant.pushStatuses([patchNote('n1', { title: 'A' }), stale])).toEqual([
    'NOT_FOUND',
    'BLOCKED',
  ]);
  expect(await tenant.pushStatuses([stale])).toEqual(['CONFLICT']);
});

test('4 before 5: a stale edit out of sequence is out of sequence, and not stored', async () => {
  const tenant = await createTenant(service);
  await tenant.push([step('s1', 1), step('s1', 2)]);
  const [taken, gap] = [step('s1', 2, { baseVersion: 0 }), step('s1', 4, { baseVersion: 0 })];
  expect(await tenant.pushStatuses([taken, gap])).toEqual(['SEQUENCE_CONFLICT', 'SEQUENCE_GAP']);
  expect(await tenant.head()).toBe(2);
});

test('4 before 6: a patch of nothing that is out of sequence is out of sequence', async () => {
  const tenant = await createTenant(service);
  expect(await tenant.pushStatuses([stepPatch('s1', 2)])).toEqual(['SEQUENCE_GAP']);
  expect(await tenant.pushStatuses([stepPatch('s1', 1)])).toEqual(['NOT_FOUND']);
});

test('5 before 6: a patch of nothing that was made on something is a conflict', async () => {
  const tenant = await createTenant(service);
  const edit = patchNote('n1', { title: 'A' }, { baseVersion: 3 });
  const { failed } = await tenant.push([edit]);
  expect(failed).toMatchObject([{ code: 'CONFLICT', current: null, retryable: false }]);
  expect(await tenant.pushStatuses([copyWithNewKey(edit, { baseVersion: 0 })])).toEqual([
    'NOT_FOUND',
  ]);
});

test('5 before 6: a stale edit with the newest clock is a conflict', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' }, { occurredAt: '2026-01-01T00:00:00Z' })]);
  const newest = putNote(
    'n1',
    { title: 'B' },
    { baseVersion: 0, occurredAt: '2026-02-01T00:00:00Z' },
  );
  expect(await tenant.pushStatuses([newest])).toEqual(['CONFLICT']);
  expect((await tenant.record('n1'))?.data).toMatchObject({ title: 'A' });
});

test('5 before 6: an edit whose precondition holds does not lose by its clock', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' }, { occurredAt: '2026-02-01T00:00:00Z' })]);
  const late = putNote(
    'n1',
    { title: 'B' },
    { baseVersion: 1, occurredAt: '2026-01-01T00:00:00Z' },
  );
  expect(await tenant.pushStatuses([late])).toEqual(['applied']);
});
