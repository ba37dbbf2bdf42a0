import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import type { Fields, RecordView } from '../../../src/domain/kinds/intent.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { patch } from '../../../src/domain/kinds/policies/patch.ts';
import { put } from '../../../src/domain/kinds/policies/put.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

/** A card that adds up its stamps where two edits of it meet. */
const cardSchema = z.strictObject({ id: z.string(), fields: z.record(z.string(), z.number()) });
const card = {
  entityType: 'card',
  payload: payload(cardSchema),
  entityId: ({ id }: z.infer<typeof cardSchema>) => id,
  resolve: ({ data }: RecordView, incoming: Fields): Fields => ({
    ...data,
    ...incoming,
    stamps: Number(data.stamps ?? 0) + Number(incoming.stamps ?? 0),
  }),
};
const kinds = [
  defineKind({ ...card, name: 'card.put', policy: put(({ fields }) => fields) }),
  defineKind({ ...card, name: 'card.patch', policy: patch(({ fields }) => fields) }),
];

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds });
});
afterAll(() => service.close());

/** @param day of January 2026; null: now, as a device without a clock */
function send(verb: string, day: number | null, stamps: number, rest: object = {}): SentEvent {
  const payloadOf = { id: 'c1', fields: { stamps } };
  const occurredAt = day && { occurredAt: new Date(Date.UTC(2026, 0, day)).toISOString() };
  return {
    identityKey: nextKey(),
    kind: `card.${verb}`,
    payload: payloadOf,
    ...occurredAt,
    ...rest,
  };
}

const stale = (day: number | null, stamps: number) => send('put', day, stamps, { baseVersion: 1 });

/** At version 2 a card with 2 stamps, which another device put on the 10th. */
async function edited(): Promise<Tenant> {
  const tenant = await createTenant(service);
  await tenant.push([send('put', 1, 1)]);
  await tenant.push([send('put', 10, 2)], {}, 'tablet');
  return tenant;
}

const stampsOf = async (tenant: Tenant) => (await tenant.record('c1'))?.data?.stamps;

test.each([
  ['its clock behind what stood there', 9],
  ['its clock ahead of what stood there', 12],
])("a device's next edit in the batch wins over its own merge: %s", async (_clock, day) => {
  const tenant = await edited();
  const said = await tenant.pushStatuses([stale(day, 5), send('put', day + 2, 50)]);
  expect(said).toEqual(['applied', 'applied']);
  expect(await stampsOf(tenant)).toBe(50);
});

test('and so it is with a patch, and in the next batch', async () => {
  const tenant = await edited();
  await tenant.push([stale(9, 5)]);
  expect(await tenant.pushStatuses([send('patch', 11, 50)])).toEqual(['applied']);
  expect(await stampsOf(tenant)).toBe(50);
});

test('a merge of an early edit counts just after what stood there, and not at its receipt', async () => {
  const tenant = await edited();
  expect(await tenant.pushStatuses([stale(5, 5)])).toEqual(['applied']);
  expect(await tenant.pushStatuses([send('put', 9, 99), send('put', 10, 99)])).toEqual([
    'superseded',
    'superseded',
  ]);
  expect(await stampsOf(tenant)).toBe(7);
  const soonAfter = { occurredAt: '2026-01-10T00:00:00.001Z' };
  expect(await tenant.pushStatuses([send('put', null, 50, soonAfter)])).toEqual(['applied']);
});

test('a merge of an edit that is later than what stood there counts at its own time', async () => {
  const tenant = await edited();
  expect(await tenant.pushStatuses([stale(12, 5)])).toEqual(['applied']);
  expect(await tenant.pushStatuses([send('put', 11, 99)])).toEqual(['superseded']);
  expect(await tenant.pushStatuses([send('put', 13, 50)])).toEqual(['applied']);
});

test('a merge counts after a patch that is newer than the last put', async () => {
  const tenant = await edited();
  await tenant.push([send('patch', 15, 3)], {}, 'tablet');
  expect(await tenant.pushStatuses([stale(5, 5)])).toEqual(['applied']);
  expect(await stampsOf(tenant)).toBe(8);
  expect(await tenant.pushStatuses([send('put', 14, 99), send('put', 16, 50)])).toEqual([
    'superseded',
    'applied',
  ]);
  expect(await stampsOf(tenant)).toBe(50);
});

test('of two merges the later is on top, whatever their clocks say', async () => {
  const tenant = await edited();
  expect(await tenant.pushStatuses([stale(9, 5), stale(8, 5)])).toEqual(['applied', 'applied']);
  expect(await stampsOf(tenant)).toBe(12);
});

test('a merge on what was just received wins over it, and loses to what comes next', async () => {
  const tenant = await edited();
  const said = await tenant.pushStatuses([
    send('put', null, 3),
    stale(9, 5),
    send('put', null, 50),
  ]);
  expect(said).toEqual(['applied', 'applied', 'applied']);
  expect(await stampsOf(tenant)).toBe(50);
});
