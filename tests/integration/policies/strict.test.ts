import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { create } from '../../../src/domain/kinds/policies/create.ts';
import { patch } from '../../../src/domain/kinds/policies/patch.ts';
import { remove } from '../../../src/domain/kinds/policies/remove.ts';
import { strict } from '../../../src/domain/kinds/policies/strict.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

const fieldsSchema = z.record(z.string(), z.union([z.string(), z.number()]));
const billSchema = z.strictObject({ id: z.string(), fields: fieldsSchema });
type Bill = z.infer<typeof billSchema>;

const bill = {
  entityType: 'bill',
  payload: payload(billSchema),
  entityId: ({ id }: Bill) => id,
};
const kinds = [
  defineKind({ ...bill, name: 'bill.create', policy: create(({ fields }) => fields) }),
  defineKind({ ...bill, name: 'bill.update', policy: strict(patch(({ fields }) => fields)) }),
  defineKind({ ...bill, name: 'bill.withdraw', policy: strict(remove()) }),
];

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds });
});
afterAll(() => service.close());

function send(verb: string, fields: Bill['fields'], rest: object = {}): SentEvent {
  const kind = `bill.${verb}`;
  return { identityKey: nextKey(), kind, payload: { id: 'b1', fields }, ...rest };
}

async function createBill(): Promise<Tenant> {
  const tenant = await createTenant(service);
  await tenant.push([send('create', { to: 'Ada', cents: 100 })]);
  return tenant;
}

test.each(['update', 'withdraw'])(
  'a %s that names no base is refused and not stored, and may keep its key once it does',
  async (verb) => {
    const tenant = await createBill();
    const event = send(verb, { cents: 200 });
    const { failed } = await tenant.push([event]);
    expect(failed).toMatchObject([
      { code: 'INVALID_EVENT', retryable: false, path: 'baseVersion' },
    ]);
    expect(await tenant.head()).toBe(1);
    expect(await tenant.pushStatuses([{ ...event, baseVersion: 1 }])).toEqual(['applied']);
  },
);

test('a create of what was there and is deleted is a conflict', async () => {
  const tenant = await createBill();
  await tenant.push([send('withdraw', {}, { baseVersion: 1 })]);
  const { failed } = await tenant.push([send('create', { to: 'Eve' })]);
  expect(failed).toMatchObject([{ code: 'CONFLICT', current: { deleted: true, version: 2 } }]);
  expect(await tenant.record('b1')).toMatchObject({ deleted: true });
});

test('a create and an edit made on it drain in one batch', async () => {
  const tenant = await createTenant(service);
  const made = send('create', { cents: 1 });
  const edited = send('update', { cents: 2 }, { baseKey: made.identityKey });
  expect(await tenant.pushStatuses([made, edited])).toEqual(['applied', 'applied']);
  expect(await tenant.pushStatuses([made, edited])).toEqual(Array(2).fill('duplicate of applied'));
});

test('of 20 creates at once one wins, and all the others are told which', async () => {
  const tenant = await createTenant(service);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, at) => tenant.push([send('create', { at })], {}, `d${at}`)),
  );
  expect(answers.flatMap(({ processed }) => processed)).toHaveLength(1);
  const current = await tenant.record('b1');
  const failures = answers.flatMap(({ failed }) => failed);
  expect(failures).toHaveLength(19);
  for (const failure of failures) {
    expect(failure).toMatchObject({ code: 'CONFLICT', current, differingFields: ['at'] });
  }
});

test.each([
  ['baseVersion', 1],
  ['baseKey', 'another'],
])('a create that names a %s contradicts itself', async (field, base) => {
  const tenant = await createTenant(service);
  const { failed } = await tenant.push([send('create', { cents: 1 }, { [field]: base })]);
  expect(failed).toMatchObject([{ code: 'INVALID_EVENT', retryable: false, path: field }]);
});

test('a create may say that it was made on nothing', async () => {
  const tenant = await createTenant(service);
  const said = await tenant.pushStatuses([send('create', { cents: 1 }, { baseVersion: 0 })]);
  expect(said).toEqual(['applied']);
});
