import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { salesPushAnswerSchema } from '../../../src/systems/sales/dialect.ts';
import { createTenant, expectExactShape, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

async function post(tenant: Tenant, body: object, query = '') {
  const answer = await service.request({
    method: 'POST',
    url: `/api/events${query}`,
    body,
    sender: tenant.sender(),
  });
  expect(answer.status).toBe(200);
  return expectExactShape(salesPushAnswerSchema, answer.body);
}

const noon = Date.UTC(2026, 0, 1, 12);
const event = (seq: number, type: string, payload: object, more: object = {}) => ({
  id: randomUUID(),
  seq,
  at: noon + seq,
  type,
  aggregate: { id: 't1', type: 'ticket' },
  payload,
  ...more,
});
const opened = () => event(1, 'ticket.opened', { register: 'r1' });
const paid = (seq: number, more: object = {}) =>
  event(seq, 'sale.recorded', { totalCents: 1250, method: 'cash' }, { version: 2, ...more });

test('a bare array of stored events is folded into their ticket', async () => {
  const tenant = await createTenant(service);
  const old = event(2, 'sale.recorded', { total: 12.5 });
  const batch = [opened(), old, paid(3)];
  const answer = await post(tenant, batch);
  expect(answer).toMatchObject({ success: true, processed: batch.map(({ id }) => id), failed: [] });
  expect((await tenant.record('t1'))?.data).toMatchObject({ paidCents: 2500 });
  const log = await tenant.log();
  expect(log.map(({ effectiveAt }) => effectiveAt)).toEqual(batch.map(({ at }) => at * 1000));
});

test('failed events are named by id, in the words of their own fields', async () => {
  const tenant = await createTenant(service);
  const { failed, processed } = await post(tenant, [
    paid(2),
    paid(0),
    paid(1, { id: '' }),
    paid(1, { at: 'noon' }),
    paid(1, { type: 'sale.dreamt' }),
    paid(1, { aggregate: { id: 't1', type: 'till' } }),
    paid(1, { aggregate: { id: '', type: 'ticket' } }),
    paid(1, { payload: { ticketId: 't2', totalCents: 1, method: 'cash' } }),
    paid(1, { payload: { totalCents: -1, method: 'cash' } }),
    paid(1, { identityKey: 'k' }),
    paid(1, { id: 'landfall:1' }),
    7,
  ]);
  expect(processed).toEqual([]);
  expect(failed.map(({ code, path, retryable }) => [code, path, retryable])).toEqual([
    ['SEQUENCE_GAP', 'seq', true],
    ['INVALID_EVENT', 'seq', false],
    ['INVALID_EVENT', 'id', false],
    ['INVALID_TIMESTAMP', 'at', false],
    ['UNKNOWN_KIND', 'type', true],
    ['INVALID_EVENT', 'aggregate.type', false],
    ['INVALID_EVENT', 'aggregate.id', false],
    ['INVALID_EVENT', 'payload.ticketId', false],
    ['INVALID_PAYLOAD', 'payload.totalCents', false],
    ['INVALID_EVENT', 'identityKey', false],
    ['INVALID_EVENT', 'id', false],
    ['INVALID_EVENT', undefined, false],
  ]);
  expect(failed.map(({ id, index }) => id ?? index)).toEqual([
    ...[expect.any(String), expect.any(String), 2],
    ...Array.from({ length: 7 }, () => expect.any(String)),
    ...['landfall:1', 11],
  ]);
  expect(await tenant.log()).toEqual([]);
});

test('a replay is processed again, and results are named by id too', async () => {
  const tenant = await createTenant(service);
  const [first, second] = [opened(), paid(2)];
  await post(tenant, [first]);
  const { results } = await post(tenant, [first, second, paid(9)], '?include=results');
  expect(results).toEqual([
    { id: first.id, status: 'duplicate', original: 'applied', version: 1 },
    { id: second.id, status: 'applied', version: 2 },
    { id: expect.any(String), status: 'failed', code: 'SEQUENCE_GAP' },
  ]);
});

test('sentAt beside the events corrects the register’s clock', async () => {
  const tenant = await createTenant(service);
  const events = [{ ...opened(), at: Date.UTC(2199, 0, 1, 11, 59) }];
  await post(tenant, { events, sentAt: '2199-01-01T12:00:00Z' });
  const [entry] = await tenant.log();
  expect((entry?.receivedAt ?? 0) - (entry?.effectiveAt ?? 0)).toBe(60_000_000);
});

test('what came through the other path is the same event', async () => {
  const tenant = await createTenant(service);
  const { id, at } = opened();
  const plain = {
    identityKey: id,
    kind: 'ticket.opened',
    occurredAt: new Date(at).toISOString(),
    sequence: 1,
    payload: { ticketId: 't1', register: 'r1' },
  };
  await tenant.push([plain]);
  const { results } = await post(tenant, [{ ...opened(), id }], '?include=results');
  expect(results).toMatchObject([{ id, status: 'duplicate' }]);
});
