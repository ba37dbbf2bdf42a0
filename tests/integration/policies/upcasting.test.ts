import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { append } from '../../../src/domain/kinds/policies/append.ts';
import { accept, decide, putRecord } from '../../../src/domain/kinds/policies/decide.ts';
import { patch } from '../../../src/domain/kinds/policies/patch.ts';
import type { Policy } from '../../../src/domain/kinds/policies/policy.ts';
import { put } from '../../../src/domain/kinds/policies/put.ts';
import { strict } from '../../../src/domain/kinds/policies/strict.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

const fareSchema = z.strictObject({
  id: z.string(),
  cents: z.int(),
  currency: z.string().length(3),
});
type Fare = z.infer<typeof fareSchema>;

/** Four years of clients: a text, a decimal number, cents, and cents of a currency. */
const fareVersions = payload(z.strictObject({ id: z.string(), price: z.string() }))
  .next(z.strictObject({ id: z.string(), amount: z.number() }), ({ id, price }) => {
    if (price === 'unreadable') throw new Error('no price');
    return { id, amount: Number(price) };
  })
  .next(z.strictObject({ id: z.string(), cents: z.int().min(0) }), ({ id, amount }) => ({
    id,
    cents: Math.round(amount * 100),
  }))
  .next(fareSchema, (older) => ({ ...older, currency: 'EUR' }));

const dataOf = ({ cents, currency }: Fare) => ({ cents, currency });
const fare = (name: string, policy: Policy<Fare>) => {
  const [entityType = ''] = name.split('.');
  const entityId = ({ id }: Fare) => id;
  return defineKind({ name, entityType, payload: fareVersions, entityId, policy });
};
const kinds = [
  fare('put-fare.set', put(dataOf)),
  fare('patch-fare.set', put(dataOf)),
  fare('patch-fare.change', patch(dataOf)),
  fare('strict-fare.set', strict(put(dataOf))),
  fare(
    'summed-fare.paid',
    append((before, { cents, currency }) => ({
      cents: Number(before?.cents ?? 0) + cents,
      currency,
    })),
  ),
  fare(
    'decided-fare.paid',
    decide({
      reads: () => [],
      decide: (paid) =>
        accept(putRecord({ entityType: 'decided-fare', entityId: paid.id }, dataOf(paid))),
    }),
  ),
];

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds });
});
afterAll(() => service.close());

const payloads = (id: string) => [
  { id, price: '1.20' },
  { id, amount: 3.4 },
  { id, cents: 560 },
  { id, cents: 780, currency: 'CHF' },
];

function send(kind: string, version: number, id: string, rest: object = {}): SentEvent {
  const old = payloads(id)[version - 1] ?? {};
  return { identityKey: nextKey(), kind, version, payload: old, ...rest };
}

const storedPayloads = (tenant: Tenant) =>
  service.sql(
    `SELECT kind_version AS version, payload::text FROM event_log
      WHERE tenant_id = $1 ORDER BY event_log.version`,
    [tenant.id],
  );

test.each([
  ['put-fare.set', {}],
  ['strict-fare.set', { baseVersion: 0 }],
  ['summed-fare.paid', {}],
  ['decided-fare.paid', {}],
])(
  'a queue of every old version drains through %s, and the log keeps the originals',
  async (kind, rest) => {
    const tenant = await createTenant(service);
    const queue = [1, 2, 3, 4].map((version) => send(kind, version, `of-${version}`, rest));
    expect(await tenant.pushStatuses(queue)).toEqual(Array(4).fill('applied'));
    const records = await tenant.records();
    expect([1, 2, 3, 4].map((version) => records.get(`of-${version}`)?.data)).toEqual([
      { cents: 120, currency: 'EUR' },
      { cents: 340, currency: 'EUR' },
      { cents: 560, currency: 'EUR' },
      { cents: 780, currency: 'CHF' },
    ]);
    expect(await storedPayloads(tenant)).toEqual(
      queue.map((event) => ({ version: event.version, payload: JSON.stringify(event.payload) })),
    );
    expect(await tenant.pushStatuses(queue)).toEqual(Array(4).fill('duplicate of applied'));
  },
);

test('old versions of a patch drain too', async () => {
  const tenant = await createTenant(service);
  const queue = [
    send('patch-fare.set', 4, 'f1'),
    ...[1, 2, 3].map((version) => send('patch-fare.change', version, 'f1')),
  ];
  expect(await tenant.pushStatuses(queue)).toEqual(Array(4).fill('applied'));
  // Versions 1 to 3 know nothing of a currency, and leave it as it is.
  expect((await tenant.record('f1'))?.data).toEqual({ cents: 560, currency: 'CHF' });
});

test('facts of all versions fold into one record', async () => {
  const tenant = await createTenant(service);
  await tenant.push([4, 3, 2, 1].map((version) => send('summed-fare.paid', version, 'f1')));
  expect((await tenant.record('f1'))?.data).toEqual({ cents: 1800, currency: 'EUR' });
});

test('an event without a version is of the first', async () => {
  const tenant = await createTenant(service);
  const { version: _version, ...event } = send('put-fare.set', 1, 'f1');
  expect(await tenant.pushStatuses([event])).toEqual(['applied']);
  expect(await storedPayloads(tenant)).toMatchObject([{ version: 1 }]);
});

test('the same content under another version is another event', async () => {
  const tenant = await createTenant(service);
  const event = send('put-fare.set', 1, 'f1');
  await tenant.push([event]);
  const { failed } = await tenant.push([
    { ...event, version: 2, payload: { id: 'f1', amount: 1.2 } },
  ]);
  expect(failed).toMatchObject([{ code: 'IDENTITY_KEY_REUSED' }]);
});

test('a payload of one version under the name of another is invalid', async () => {
  const tenant = await createTenant(service);
  const event = { ...send('put-fare.set', 1, 'f1'), version: 3 };
  const { failed } = await tenant.push([event, send('put-fare.set', 5, 'f1')]);
  expect(failed).toMatchObject([
    { code: 'INVALID_PAYLOAD', retryable: false },
    { code: 'UNSUPPORTED_VERSION', retryable: true, fault: 'server', path: 'version' },
  ]);
});

test('an old payload whose upcast gives what the next version refuses waits for the server', async () => {
  const tenant = await createTenant(service);
  const bad = { ...send('put-fare.set', 1, 'f1'), payload: { id: 'f1', price: '-1' } };
  const good = send('patch-fare.set', 1, 'f2');
  const { failed, processed } = await tenant.push([bad, good]);
  expect(failed).toMatchObject([{ code: 'KIND_FAILED', fault: 'server' }]);
  expect(failed[0]).not.toHaveProperty('path');
  expect(processed).toEqual([good.identityKey]);
});

test('an old payload on which the upcast throws fails alone', async () => {
  const tenant = await createTenant(service);
  const bad = { ...send('put-fare.set', 1, 'f1'), payload: { id: 'f1', price: 'unreadable' } };
  const good = send('patch-fare.set', 2, 'f2');
  const { failed, processed } = await tenant.push([bad, good]);
  expect(failed).toMatchObject([{ code: 'KIND_FAILED', fault: 'server' }]);
  expect(processed).toEqual([good.identityKey]);
});
