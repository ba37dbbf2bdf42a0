import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { put as putPolicy } from '../../../src/domain/kinds/policies/put.ts';
import { strict } from '../../../src/domain/kinds/policies/strict.ts';
import { bundledKinds } from '../../../src/systems/bundled.ts';
import { auditOf } from '../../testkit/app/audit.ts';
import { nextKey, patchNote, putNote, removeNote } from '../../testkit/events/sent-events.ts';
import { createTenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

const billSchema = z.strictObject({ id: z.string(), cents: z.int(), seen: z.int().default(0) });
const bill = {
  entityType: 'bill',
  payload: payload(billSchema),
  entityId: ({ id }: z.infer<typeof billSchema>) => id,
};
const cents = ({ cents: amount }: z.infer<typeof billSchema>) => ({ cents: amount });
const billPut = defineKind({ ...bill, name: 'bill.put', policy: putPolicy(cents) });
const billStrict = defineKind({ ...bill, name: 'bill.strict', policy: strict(putPolicy(cents)) });
const billSeen = defineKind({
  ...bill,
  name: 'bill.seen',
  policy: putPolicy(cents),
  baseVersion: ({ seen }) => seen,
});

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, billPut, billStrict, billSeen] });
});
afterAll(() => service.close());

const send = (verb: string, content: object, rest: object = {}) => ({
  ...{ identityKey: nextKey(), kind: `bill.${verb}`, payload: { id: 'b1', ...content } },
  ...rest,
});

test.each([
  ['a put', putNote],
  ['a patch', (id: string, fields: object, rest: object) => patchNote(id, fields, rest)],
  ['a delete', (id: string, _fields: object, rest: object) => removeNote(id, rest)],
])('%s on a version that the tenant never had is a conflict, and is kept', async (_what, make) => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' })]);
  const lost = make('n1', { title: 'of a lost history' }, { baseVersion: 999 });
  const { failed } = await tenant.push([lost]);
  const current = await tenant.record('n1');
  expect(current).toMatchObject({ version: 1, deleted: false, data: { title: 'A' } });
  expect(failed).toMatchObject([{ code: 'CONFLICT', retryable: false, current }]);
  expect(await tenant.log()).toMatchObject([{}, { version: 2, outcome: 'conflict' }]);
  expect(await auditOf(tenant).conflict(lost.identityKey)).toMatchObject({
    version: 2,
    baseVersion: 999,
    resolved: null,
  });
  expect((await tenant.push([lost])).failed).toEqual(failed);
});

test('what the batch before it brought counts as had', async () => {
  const tenant = await createTenant(service);
  expect(
    await tenant.pushStatuses([putNote('n1'), putNote('n1', { title: 'A' }, { baseVersion: 1 })]),
  ).toEqual(['applied', 'applied']);
});

test('a strict kind is no exception, and can be settled by a person', async () => {
  const tenant = await createTenant(service);
  await tenant.push([send('put', { cents: 1 })]);
  const lost = send('strict', { cents: 2 }, { baseVersion: 2 });
  const { failed } = await tenant.push([lost]);
  expect(failed).toMatchObject([{ code: 'CONFLICT', differingFields: ['cents'] }]);
  expect((await tenant.record('b1'))?.data).toEqual({ cents: 1 });
  const forced = await auditOf(tenant).resolve(lost.identityKey, { resolution: 'force' });
  expect(forced.status).toBe(200);
  expect((await tenant.record('b1'))?.data).toEqual({ cents: 2 });
});

test('a base that the payload states counts alike', async () => {
  const tenant = await createTenant(service);
  await tenant.push([send('put', { cents: 1 })]);
  expect(await tenant.pushStatuses([send('seen', { cents: 2, seen: 7 })])).toEqual(['CONFLICT']);
  expect(await tenant.pushStatuses([send('seen', { cents: 3, seen: 1 })])).toEqual(['applied']);
});
