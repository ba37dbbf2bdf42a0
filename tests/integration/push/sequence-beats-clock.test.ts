import { afterAll, beforeAll, expect, test } from 'vitest';
import { documentKinds } from '../../testkit/kinds/document-kinds.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: documentKinds('step', true) });
});
afterAll(() => service.close());

/** @param day of January 2026, on the device's clock; none: at its receipt */
function step(verb: string, sequence: number, day?: number, fields: object = {}): SentEvent {
  const payload = { id: 's1', ...(verb !== 'remove' && { fields }) };
  const occurredAt = day && { occurredAt: new Date(Date.UTC(2026, 0, day)).toISOString() };
  return { identityKey: nextKey(), kind: `step.${verb}`, sequence, payload, ...occurredAt };
}

type Steps = readonly SentEvent[];

const together = async (tenant: Tenant, steps: Steps) => tenant.pushStatuses(steps);
const eachAlone = async (tenant: Tenant, steps: Steps) => {
  const said: string[] = [];
  for (const one of steps) said.push(...(await tenant.pushStatuses([one])));
  return said;
};

test.each([
  ['in one batch', together],
  ['each in its own batch', eachAlone],
])('the sequence beats a clock that went back: %s', async (_how, send) => {
  const tenant = await createTenant(service);
  const steps = [step('put', 1, 12, { a: 1, b: 1 }), step('put', 2, 11, { a: 2 })];
  expect(await send(tenant, steps)).toEqual(['applied', 'applied']);
  expect(await tenant.record('s1')).toMatchObject({ version: 2, data: { a: 2 } });
});

test('a clock that goes back with every step changes nothing of their order', async () => {
  const tenant = await createTenant(service);
  const steps = [28, 21, 14, 7, 1].map((day, at) => step('put', at + 1, day, { at }));
  expect(await tenant.pushStatuses(steps)).toEqual(steps.map(() => 'applied'));
  expect((await tenant.record('s1'))?.data).toEqual({ at: 4 });
});

test('the next number wins over one without a clock, received in the same batch', async () => {
  const tenant = await createTenant(service);
  const steps = [step('put', 1, undefined, { a: 1 }), step('put', 2, 1, { a: 2 })];
  expect(await tenant.pushStatuses(steps)).toEqual(['applied', 'applied']);
  expect((await tenant.record('s1'))?.data).toEqual({ a: 2 });
});

test('the sequence beats the clock of what another device wrote', async () => {
  const tenant = await createTenant(service);
  await tenant.push([step('put', 1, 12, { a: 1 })], {}, 'phone');
  expect(await tenant.pushStatuses([step('put', 2, 11, { a: 2 })], {}, 'tablet')).toEqual([
    'applied',
  ]);
});

test('a patch by its number overwrites fields that have a later clock', async () => {
  const tenant = await createTenant(service);
  const steps = [
    step('put', 1, 12, { a: 1, b: 1 }),
    step('patch', 2, 20, { a: 2 }),
    step('patch', 3, 5, { a: 3 }),
  ];
  expect(await tenant.pushStatuses(steps)).toEqual(['applied', 'applied', 'applied']);
  expect((await tenant.record('s1'))?.data).toEqual({ a: 3, b: 1 });
  expect(await tenant.pushStatuses([step('put', 4, 2, { b: 4 })])).toEqual(['applied']);
  expect((await tenant.record('s1'))?.data).toEqual({ b: 4 });
});

test('a delete by its number deletes what has a later clock, and a put brings it back', async () => {
  const tenant = await createTenant(service);
  expect(await tenant.pushStatuses([step('put', 1, 12, { a: 1 }), step('remove', 2, 11)])).toEqual([
    'applied',
    'applied',
  ]);
  expect(await tenant.record('s1')).toMatchObject({ version: 2, deleted: true });
  expect(await tenant.pushStatuses([step('put', 3, 10, { a: 3 })])).toEqual(['applied']);
  expect(await tenant.record('s1')).toMatchObject({ deleted: false, data: { a: 3 } });
});
