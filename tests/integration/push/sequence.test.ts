import { afterAll, beforeAll, expect, test } from 'vitest';
import { documentKinds } from '../../testkit/kinds/document-kinds.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...documentKinds('step', true), ...documentKinds('doc')] });
});
afterAll(() => service.close());

let made = 0;
function step(id: string, sequence: number | undefined, rest: object = {}): SentEvent {
  made += 1;
  const payload = { id, fields: { made } };
  return { identityKey: nextKey(), kind: 'step.put', sequence, payload, ...rest };
}

test('events of one entity are taken in the order 1, 2, 3', async () => {
  const tenant = await createTenant(service);
  expect(await tenant.pushStatuses([step('s1', 1), step('s1', 2)])).toEqual(['applied', 'applied']);
  expect(await tenant.pushStatuses([step('s1', 3)])).toEqual(['applied']);
});

test('every entity counts for itself', async () => {
  const tenant = await createTenant(service);
  const said = await tenant.pushStatuses([
    step('s1', 1),
    step('s2', 1),
    step('s1', 2),
    step('s3', 2),
  ]);
  expect(said).toEqual(['applied', 'applied', 'applied', 'SEQUENCE_GAP']);
});

test('every kind of an entity counts on', async () => {
  const tenant = await createTenant(service);
  const said = await tenant.pushStatuses([
    step('s1', 1),
    step('s1', 2, { kind: 'step.patch' }),
    step('s1', 3, { kind: 'step.remove', payload: { id: 's1' } }),
  ]);
  expect(said).toEqual(['applied', 'applied', 'applied']);
  expect(await tenant.pushStatuses([step('s1', 4)])).toEqual(['applied']);
});

test('an event whose number is not next waits, and is accepted once the gap is filled', async () => {
  const tenant = await createTenant(service);
  const [one, two, three] = [step('s1', 1), step('s1', 2), step('s1', 3)];
  const { failed } = await tenant.push([three]);
  expect(failed).toMatchObject([{ code: 'SEQUENCE_GAP', retryable: true }]);
  expect(await tenant.pushStatuses([one, three])).toEqual(['applied', 'SEQUENCE_GAP']);
  expect(await tenant.pushStatuses([two, three])).toEqual(['applied', 'applied']);
});

test('a number that was taken is taken for ever', async () => {
  const tenant = await createTenant(service);
  await tenant.push([step('s1', 1), step('s1', 2)]);
  const { failed } = await tenant.push([step('s1', 2), step('s1', 1)]);
  expect(failed).toMatchObject([
    { code: 'SEQUENCE_CONFLICT', retryable: false },
    { code: 'SEQUENCE_CONFLICT', retryable: false },
  ]);
  expect(await tenant.head()).toBe(2);
});

test('of two events with the same number in one batch the first takes it', async () => {
  const tenant = await createTenant(service);
  expect(await tenant.pushStatuses([step('s1', 1), step('s1', 1), step('s1', 2)])).toEqual([
    'applied',
    'SEQUENCE_CONFLICT',
    'applied',
  ]);
});

test('an event that changes nothing still takes its number', async () => {
  const tenant = await createTenant(service);
  const payload = { id: 's1', fields: { a: 1 } };
  const said = await tenant.pushStatuses([
    step('s1', 1, { payload }),
    step('s1', 2, { payload }),
    step('s1', 3),
  ]);
  expect(said).toEqual(['applied', 'noop', 'applied']);
});

test('a conflict does not take its number', async () => {
  const tenant = await createTenant(service);
  await tenant.push([step('s1', 1)]);
  const stale = step('s1', 2, { baseVersion: 0 });
  expect(await tenant.pushStatuses([stale, step('s1', 2), step('s1', 3)])).toEqual([
    'CONFLICT',
    'applied',
    'applied',
  ]);
  expect(await tenant.pushStatuses([stale])).toEqual(['CONFLICT']);
});

test('a failed event does not take its number', async () => {
  const tenant = await createTenant(service);
  const invalid = step('s1', 1, { payload: { id: 's1', fields: 'none' } });
  expect(await tenant.pushStatuses([invalid])).toEqual(['INVALID_PAYLOAD']);
  expect(await tenant.pushStatuses([step('s1', 1, { kind: 'step.patch' })])).toEqual(['NOT_FOUND']);
  expect(await tenant.pushStatuses([step('s1', 1)])).toEqual(['applied']);
});

test('a conflict where there is no record does not take its number', async () => {
  const tenant = await createTenant(service);
  const based = step('s1', 1, { baseVersion: 4 });
  expect(await tenant.pushStatuses([based, step('s1', 1)])).toEqual(['CONFLICT', 'applied']);
});

test('an event of an ordered kind without a number is refused', async () => {
  const tenant = await createTenant(service);
  const { failed } = await tenant.push([step('s1', undefined)]);
  expect(failed).toMatchObject([{ code: 'INVALID_EVENT', path: 'sequence', retryable: false }]);
});

test('two devices that number alike: one wins, the other is told', async () => {
  const tenant = await createTenant(service);
  await tenant.push([step('s1', 1)]);
  const both = await Promise.all([
    tenant.pushStatuses([step('s1', 2)], {}, 'phone'),
    tenant.pushStatuses([step('s1', 2)], {}, 'tablet'),
  ]);
  expect(both.flat().toSorted()).toEqual(['SEQUENCE_CONFLICT', 'applied']);
});
