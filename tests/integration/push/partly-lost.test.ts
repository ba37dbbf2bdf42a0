import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { patch as patchPolicy } from '../../../src/domain/kinds/policies/patch.ts';
import { put as putPolicy } from '../../../src/domain/kinds/policies/put.ts';
import { documentKinds, e1, type DocumentFields } from '../../testkit/kinds/document-kinds.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

const cardSchema = z.strictObject({ id: z.string(), fields: z.record(z.string(), z.number()) });
const card = {
  entityType: 'card',
  payload: payload(cardSchema),
  entityId: ({ id }: z.infer<typeof cardSchema>) => id,
  resolve: (current: { data: object }, incoming: object) => ({
    ...current.data,
    ...incoming,
    met: 1,
  }),
};
const fieldsOf = ({ fields }: z.infer<typeof cardSchema>) => fields;
const hooked = [
  defineKind({ ...card, name: 'card.put', policy: putPolicy(fieldsOf) }),
  defineKind({ ...card, name: 'card.patch', policy: patchPolicy(fieldsOf) }),
];

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...documentKinds('doc'), ...hooked] });
});
afterAll(() => service.close());

const { put, patch } = e1;
const onTopOf = (base: SentEvent, event: SentEvent) => ({ ...event, baseKey: base.identityKey });

/** A put of day 1, on which a tablet's patch of day 3 stands: what comes between loses its field. */
async function patched(): Promise<Tenant> {
  const tenant = await createTenant(service);
  await tenant.push([put(1, { a: 1, b: 1 })]);
  await tenant.push([patch(3, { a: 3 })], {}, 'tablet');
  return tenant;
}

async function outcomes(tenant: Tenant): Promise<string[]> {
  return (await tenant.log()).slice(2).map(({ outcome }) => outcome);
}

const dataOf = async (tenant: Tenant) => (await tenant.record('e1'))?.data;

const partly: readonly [string, (at: number) => SentEvent, DocumentFields][] = [
  ['a patch that lost a field', (at) => patch(at, { a: 2, b: 2 }), { a: 3, b: 2 }],
  ['a put that lost a field', (at) => put(at, { a: 2, b: 2 }), { a: 3, b: 2 }],
  ['a put that would have dropped the field', (at) => put(at, { b: 2 }), { a: 3, b: 2 }],
];

test.each(partly)('%s is told applied, once and again, and stored as merged', async (...row) => {
  const [, make, data] = row;
  const tenant = await patched();
  const late = make(2);
  const { processed, failed, results } = await tenant.push([late]);
  expect({ processed, failed }).toEqual({ processed: [late.identityKey], failed: [] });
  expect(results).toMatchObject([{ status: 'applied', version: 3 }]);
  expect(await outcomes(tenant)).toEqual(['merged']);
  expect(await dataOf(tenant)).toEqual(data);
  expect(await tenant.pushStatuses([late])).toEqual(['duplicate of applied']);
});

test.each(partly)('an edit made on %s overwrites nothing unseen', async (_what, make, data) => {
  const tenant = await patched();
  const late = make(2);
  const next = onTopOf(late, patch(2, { a: 9 }));
  const last = onTopOf(next, patch(2, { a: 10 }));
  expect(await tenant.pushStatuses([late, next, last])).toEqual([
    'applied',
    'CONFLICT',
    'CONFLICT',
  ]);
  expect(await dataOf(tenant)).toEqual(data);
  expect(await outcomes(tenant)).toEqual(['merged', 'conflict', 'conflict']);
});

test('so it is where the edit comes in a batch of its own, and has the later clock', async () => {
  const tenant = await patched();
  const late = patch(2, { a: 2, b: 2 });
  await tenant.push([late]);
  const { failed } = await tenant.push([onTopOf(late, put(5, { a: 5, b: 5 }))]);
  expect(failed).toMatchObject([
    { code: 'CONFLICT', current: { data: { a: 3, b: 2 } }, differingFields: ['a', 'b'] },
  ]);
});

test('an edit whose one field that won was there already is no base either', async () => {
  const tenant = await patched();
  const late = patch(2, { a: 2, b: 1 });
  expect(await tenant.pushStatuses([late, onTopOf(late, patch(2, { a: 9 }))])).toEqual([
    expect.not.stringMatching(/^CONFLICT$/),
    'CONFLICT',
  ]);
  expect(await dataOf(tenant)).toEqual({ a: 3, b: 1 });
});

test('who has pulled what both made may edit it by its version', async () => {
  const tenant = await patched();
  await tenant.push([patch(2, { a: 2, b: 2 })]);
  const { version } = (await tenant.record('e1')) ?? {};
  expect(await tenant.pushStatuses([{ ...patch(2, { a: 9 }), baseVersion: version }])).toEqual([
    'applied',
  ]);
  expect(await dataOf(tenant)).toEqual({ a: 9, b: 2 });
});

test('where the kind has a hook, it is asked for the edit that follows', async () => {
  const tenant = await createTenant(service);
  const send = (
    verb: string,
    day: number,
    fields: DocumentFields,
    rest: object = {},
  ): SentEvent => ({
    ...{ identityKey: nextKey(), kind: `card.${verb}`, payload: { id: 'e1', fields } },
    ...{ occurredAt: `2026-01-0${day}T00:00:00Z`, ...rest },
  });
  await tenant.push([send('put', 1, { a: 1, b: 1 })]);
  await tenant.push([send('patch', 3, { a: 3 })], {}, 'tablet');
  const late = send('patch', 2, { a: 2, b: 2 });
  const next = send('patch', 2, { b: 9 }, { baseKey: late.identityKey });
  expect(await tenant.pushStatuses([late, next])).toEqual(['applied', 'applied']);
  expect(await dataOf(tenant)).toEqual({ a: 3, b: 9, met: 1 });
  expect(await outcomes(tenant)).toEqual(['merged', 'merged']);
});

test.each([
  ['a patch of other fields', patch(2, { b: 2 }), { a: 9, b: 2 }],
  ['a patch with the later clock', patch(4, { a: 4 }), { a: 9, b: 1 }],
  ['a put with the later clock', put(4, { a: 4, c: 4 }), { a: 9, c: 4 }],
])('%s wins whole: it stays applied, and an edit can be made on it', async (_what, edit, data) => {
  const tenant = await patched();
  const next = onTopOf(edit, patch(2, { a: 9 }));
  expect(await tenant.pushStatuses([edit, next])).toEqual(['applied', 'applied']);
  expect(await outcomes(tenant)).toEqual(['applied', 'applied']);
  expect(await dataOf(tenant)).toEqual(data);
});
