import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pushAnswerSchema } from '../../../src/protocol/push.ts';
import { createTenant, expectExactShape, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

async function post(tenant: Tenant, events: readonly unknown[]) {
  const answer = await service.request({
    method: 'POST',
    url: '/api/sync/events?include=results',
    body: { events },
    sender: tenant.sender(),
  });
  expect(answer.status).toBe(200);
  return expectExactShape(pushAnswerSchema, answer.body);
}

const invoice = { customer: 'Acme', amountCents: 125_00, currency: 'EUR', status: 'draft' };
const create = (invoiceId: string, clientRequestId: string = randomUUID()) => ({
  clientRequestId,
  kind: 'invoice.create',
  payload: { invoiceId, ...invoice },
});
const update = (invoiceId: string, fields: object, around: object) => ({
  clientRequestId: randomUUID(),
  kind: 'invoice.update',
  payload: { invoiceId, ...fields },
  ...around,
});

test('events are processed by their clientRequestId, and a replay once only', async () => {
  const tenant = await createTenant(service);
  const [first, second] = [create('i1'), create('i2')];
  const keys = [first.clientRequestId, second.clientRequestId];
  expect((await post(tenant, [first])).processed).toEqual(keys.slice(0, 1));
  const { processed, results } = await post(tenant, [first, second]);
  expect(processed).toEqual(keys);
  expect(results).toMatchObject([
    { identityKey: keys[0], clientRequestId: keys[0], status: 'duplicate', original: 'applied' },
    { identityKey: keys[1], clientRequestId: keys[1], status: 'applied' },
  ]);
  expect((await tenant.log()).map(({ identityKey }) => identityKey)).toEqual(keys);
});

test('a conflict is named by both keys, with the record that won and the diff', async () => {
  const tenant = await createTenant(service);
  await post(tenant, [create('i1')]);
  const [mine, yours] = ['paid', 'issued'].map((status) =>
    update('i1', { status }, { baseVersion: 1 }),
  );
  const { failed } = await post(tenant, [mine, yours]);
  expect(failed).toMatchObject([
    {
      identityKey: yours?.clientRequestId,
      clientRequestId: yours?.clientRequestId,
      code: 'CONFLICT',
      current: { entityId: 'i1', data: { ...invoice, status: 'paid' } },
      differingFields: ['status'],
    },
  ]);
});

test('a batch may hold both: only those with a clientRequestId are named by it', async () => {
  const tenant = await createTenant(service);
  const { clientRequestId: _none, ...unnamed } = create('i1');
  const { failed, results } = await post(tenant, [
    { identityKey: 'k1', ...unnamed },
    { identityKey: 'k2', ...create('i2', 'k2') },
    { identityKey: 'k3', ...create('i3', 'k4') },
    create('i5', ''),
    { ...create('i6', 'k6'), version: 9 },
    unnamed,
  ]);
  expect(results?.slice(0, 2)).toEqual([
    { identityKey: 'k1', status: 'applied', version: 1 },
    { identityKey: 'k2', clientRequestId: 'k2', status: 'applied', version: 2 },
  ]);
  const named = failed.map(({ identityKey, clientRequestId, index, code, path }) => [
    ...[identityKey, clientRequestId, index, code, path],
  ]);
  expect(named).toEqual([
    ['k3', 'k4', undefined, 'INVALID_EVENT', 'clientRequestId'],
    [null, null, 3, 'INVALID_EVENT', 'clientRequestId'],
    ['k6', 'k6', undefined, 'UNSUPPORTED_VERSION', 'version'],
    [null, undefined, 5, 'INVALID_EVENT', 'identityKey'],
  ]);
});
