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

test('an edit made on the newest version is applied', async () => {
  const tenant = await createBill();
  expect(await tenant.pushStatuses([send('update', { cents: 200 }, { baseVersion: 1 })])).toEqual([
    'applied',
  ]);
  expect((await tenant.record('b1'))?.data).toEqual({ to: 'Ada', cents: 200 });
});

test('a stale edit is a conflict that shows the record and names the fields that differ', async () => {
  const tenant = await createBill();
  await tenant.push([send('update', { cents: 200, note: 'paid' }, { baseVersion: 1 })], {}, 'left');
  const stale = send('update', { cents: 300, to: 'Ada', due: 'now' }, { baseVersion: 1 });
  const answer = await tenant.push([stale], {}, 'right');
  expect(answer.processed).toEqual([]);
  expect(answer.failed).toMatchObject([
    {
      identityKey: stale.identityKey,
      code: 'CONFLICT',
      retryable: false,
      current: await tenant.record('b1'),
      differingFields: ['cents', 'due'],
    },
  ]);
  expect((await tenant.record('b1'))?.data).toEqual({ to: 'Ada', cents: 200, note: 'paid' });
});

test('a conflict takes a version in the log, is found among the conflicts, and changes no record', async () => {
  const tenant = await createBill();
  await tenant.push([send('update', { cents: 200 }, { baseVersion: 1 })]);
  await tenant.push([send('update', { cents: 300 }, { baseVersion: 1 })]);
  expect((await tenant.log()).map(({ outcome }) => outcome)).toEqual([
    'applied',
    'applied',
    'conflict',
  ]);
  expect(await tenant.record('b1')).toMatchObject({ version: 2 });
  const conflicts = await service.sql(
    'SELECT version::int AS version, entity_id, resolution FROM conflicts WHERE tenant_id = $1',
    [tenant.id],
  );
  expect(conflicts).toEqual([{ version: 3, entity_id: 'b1', resolution: null }]);
});

test('a conflict that is sent again gets the same answer, and takes no second version', async () => {
  const tenant = await createBill();
  await tenant.push([send('update', { cents: 200 }, { baseVersion: 1 })]);
  const stale = send('update', { cents: 300 }, { baseVersion: 1 });
  const first = await tenant.push([stale]);
  const again = await tenant.push([stale, stale]);
  expect(again.failed).toEqual([...first.failed, ...first.failed]);
  expect(await tenant.head()).toBe(3);
});

test('a stale delete is a conflict, and names no fields', async () => {
  const tenant = await createBill();
  await tenant.push([send('update', { cents: 200 }, { baseVersion: 1 })]);
  const { failed } = await tenant.push([send('withdraw', {}, { baseVersion: 1 })]);
  expect(failed).toMatchObject([{ code: 'CONFLICT', differingFields: [] }]);
  expect(await tenant.record('b1')).toMatchObject({ deleted: false });
});

test('an edit of what was deleted meanwhile is a conflict that shows the tombstone', async () => {
  const tenant = await createBill();
  await tenant.push([send('withdraw', {}, { baseVersion: 1 })]);
  const { failed } = await tenant.push([send('update', { cents: 300 }, { baseVersion: 1 })]);
  expect(failed).toMatchObject([
    { code: 'CONFLICT', current: { deleted: true, version: 2 }, differingFields: ['cents'] },
  ]);
});

test.each([
  ['in one batch', 3],
  ['each in a batch of its own', 1],
])(
  'a device that edits again and again offline is no conflict with itself: %s',
  async (_how, size) => {
    const tenant = await createBill();
    const first = send('update', { cents: 1 }, { baseVersion: 1 });
    const second = send('update', { cents: 2 }, { baseKey: first.identityKey });
    const third = send('update', { cents: 3 }, { baseKey: second.identityKey });
    const queue = [first, second, third];
    for (let at = 0; at < queue.length; at += size) {
      const batch = queue.slice(at, at + size);
      expect(await tenant.pushStatuses(batch)).toEqual(batch.map(() => 'applied'));
    }
    expect((await tenant.record('b1'))?.data).toEqual({ to: 'Ada', cents: 3 });
  },
);

test("where another device came first, a device's whole chain of edits is in conflict", async () => {
  const tenant = await createBill();
  await tenant.push([send('update', { to: 'Eve' }, { baseVersion: 1 })], {}, 'left');
  const first = send('update', { cents: 1 }, { baseVersion: 1 });
  const second = send('update', { cents: 2 }, { baseKey: first.identityKey });
  expect(await tenant.pushStatuses([first, second], {}, 'right')).toEqual(['CONFLICT', 'CONFLICT']);
  expect((await tenant.record('b1'))?.data).toEqual({ to: 'Eve', cents: 100 });
});

test("where another device comes between, the rest of a device's chain is in conflict", async () => {
  const tenant = await createBill();
  const first = send('update', { cents: 1 }, { baseVersion: 1 });
  expect(await tenant.pushStatuses([first], {}, 'right')).toEqual(['applied']);
  await tenant.push([send('update', { to: 'Eve' }, { baseVersion: 2 })], {}, 'left');
  const second = send('update', { cents: 2 }, { baseKey: first.identityKey });
  const { failed } = await tenant.push([second], {}, 'right');
  expect(failed).toMatchObject([{ code: 'CONFLICT', differingFields: ['cents'] }]);
});

test('a second create of what is there is a conflict that shows it', async () => {
  const tenant = await createBill();
  const second = send('create', { to: 'Eve', due: 'now' });
  const { failed } = await tenant.push([second]);
  expect(failed).toMatchObject([
    {
      code: 'CONFLICT',
      current: { version: 1, data: { to: 'Ada' } },
      differingFields: ['cents', 'due', 'to'],
    },
  ]);
  expect(await tenant.pushStatuses([second])).toEqual(['CONFLICT']);
  expect(await tenant.head()).toBe(2);
});

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
