import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import type { Fields } from '../../../src/domain/kinds/intent.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { append } from '../../../src/domain/kinds/policies/append.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

const tabSchema = z.strictObject({ id: z.string(), item: z.string() });
const itemsSchema = z.array(z.string());
const tab = {
  entityType: 'tab',
  payload: payload(tabSchema),
  entityId: ({ id }: z.infer<typeof tabSchema>) => id,
  policy: append((before: Fields | undefined, { item }: z.infer<typeof tabSchema>) => ({
    items: [...itemsSchema.parse(before?.items ?? []), item],
  })),
};
const kinds = [
  defineKind({ ...tab, name: 'tab.item', ordered: true }),
  defineKind({ ...tab, name: 'tab.tip', ordered: true }),
  defineKind({ ...tab, name: 'tab.close' }),
];

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds });
});
afterAll(() => service.close());

function line(sequence: number, verb = 'item', id = 't1'): SentEvent {
  const sent = { kind: `tab.${verb}`, sequence, payload: { id, item: `${sequence}` } };
  return { identityKey: nextKey(), ...sent };
}

function close(id = 't1'): SentEvent {
  return { identityKey: nextKey(), kind: 'tab.close', payload: { id, item: 'closed' } };
}

async function itemsOf(tenant: Tenant, id = 't1'): Promise<unknown> {
  return (await tenant.record(id))?.data?.items;
}

test('what keeps no order waits behind a gap, or it would overtake what its sender did first', async () => {
  const tenant = await createTenant(service);
  const [one, two, closing] = [line(1), line(2), close()];
  const { failed } = await tenant.push([two, closing]);
  expect(failed).toMatchObject([
    { code: 'SEQUENCE_GAP', retryable: true },
    { identityKey: closing.identityKey, code: 'BLOCKED', retryable: true },
  ]);
  expect(await tenant.head()).toBe(0);
  expect(await tenant.pushStatuses([one, two, closing])).toEqual(['applied', 'applied', 'applied']);
  expect(await itemsOf(tenant)).toEqual(['1', '2', 'closed']);
});

test('what keeps an order goes on behind a gap, whatever its kind, and may close it', async () => {
  const tenant = await createTenant(service);
  expect(await tenant.pushStatuses([line(3), line(1), line(2, 'tip')])).toEqual([
    'SEQUENCE_GAP',
    'applied',
    'applied',
  ]);
  expect(await itemsOf(tenant)).toEqual(['1', '2']);
});

test('what closes the gap does not free what waits: the event that met the gap comes first', async () => {
  const tenant = await createTenant(service);
  const [one, two, closing] = [line(1), line(2), close()];
  expect(await tenant.pushStatuses([two, one, closing])).toEqual([
    'SEQUENCE_GAP',
    'applied',
    'BLOCKED',
  ]);
  expect(await tenant.pushStatuses([two, one, closing])).toEqual([
    'applied',
    'duplicate of applied',
    'applied',
  ]);
  expect(await itemsOf(tenant)).toEqual(['1', '2', 'closed']);
});

test('what waits behind a gap keeps nobody waiting that has a number', async () => {
  const tenant = await createTenant(service);
  const said = await tenant.pushStatuses([line(2), close(), close(), line(1)]);
  expect(said).toEqual(['SEQUENCE_GAP', 'BLOCKED', 'BLOCKED', 'applied']);
  expect(await itemsOf(tenant)).toEqual(['1']);
});

test('a gap holds up its own entity only, and its own batch', async () => {
  const tenant = await createTenant(service);
  expect(await tenant.pushStatuses([line(2), close('t2')])).toEqual(['SEQUENCE_GAP', 'applied']);
  expect(await tenant.pushStatuses([close()])).toEqual(['applied']);
});

test('what came before the gap does not wait, and what is stored is a duplicate behind one', async () => {
  const tenant = await createTenant(service);
  const closing = close();
  expect(await tenant.pushStatuses([closing, line(2)])).toEqual(['applied', 'SEQUENCE_GAP']);
  expect(await tenant.pushStatuses([line(3), closing])).toEqual([
    'SEQUENCE_GAP',
    'duplicate of applied',
  ]);
});

test('a number that was taken is no gap, and nobody waits behind it', async () => {
  const tenant = await createTenant(service);
  await tenant.push([line(1)]);
  expect(await tenant.pushStatuses([line(1), close()])).toEqual(['SEQUENCE_CONFLICT', 'applied']);
});
