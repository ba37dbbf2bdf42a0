import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { append } from '../../../src/domain/kinds/policies/append.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

const lineSchema = z.strictObject({ id: z.string(), text: z.string() });

const lineAdded = defineKind({
  name: 'journal.line-added',
  entityType: 'journal',
  payload: payload(lineSchema),
  entityId: ({ id }) => id,
  policy: append((before, { text }) => ({
    begins: before === undefined,
    lines: [...z.array(z.string()).parse(before?.lines ?? []), text],
  })),
});

const amountSchema = z.strictObject({ id: z.string(), amount: z.number() });

/** Does not take its first fact: as a kind with a fault in its code. */
const drawn = defineKind({
  name: 'cask.drawn',
  entityType: 'cask',
  payload: payload(amountSchema),
  entityId: ({ id }) => id,
  policy: append((before, { amount }) => {
    if (!before) throw new Error('drawn from a cask that was never filled');
    return { litres: Number(before.litres) - amount };
  }),
});
const filled = defineKind({
  name: 'cask.filled',
  entityType: 'cask',
  payload: payload(amountSchema),
  entityId: ({ id }) => id,
  policy: append((before, { amount }) => ({ litres: Number(before?.litres ?? 0) + amount })),
});

/** Keeps what it is told of the event. */
const witnessed = defineKind({
  name: 'witness.told',
  entityType: 'witness',
  payload: payload(z.strictObject({ id: z.string() })),
  entityId: ({ id }) => id,
  policy: append((_before, _fact, context) => ({ ...context })),
});

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [lineAdded, drawn, filled, witnessed] });
});
afterAll(() => service.close());

function line(id: string, text: string, rest: object = {}): SentEvent {
  return { identityKey: nextKey(), kind: 'journal.line-added', payload: { id, text }, ...rest };
}
function cask(verb: 'filled' | 'drawn', id: string, amount: number): SentEvent {
  return { identityKey: nextKey(), kind: `cask.${verb}`, payload: { id, amount } };
}

test('the first fact of a record is folded into nothing, each later one into what is there', async () => {
  const tenant = await createTenant(service);
  expect(await tenant.pushStatuses([line('j1', 'a')])).toEqual(['applied']);
  expect((await tenant.record('j1'))?.data).toEqual({ begins: true, lines: ['a'] });
  expect(await tenant.pushStatuses([line('j1', 'b'), line('j1', 'c')])).toEqual([
    'applied',
    'applied',
  ]);
  expect(await tenant.record('j1')).toMatchObject({
    version: 3,
    data: { begins: false, lines: ['a', 'b', 'c'] },
  });
});

test('facts are folded in the order of their arrival, whatever their clocks say', async () => {
  const tenant = await createTenant(service);
  await tenant.push([line('j1', 'late', { occurredAt: '2026-03-01T00:00:00Z' })]);
  await tenant.push([
    line('j1', 'early', { occurredAt: '2026-01-01T00:00:00Z' }),
    line('j1', 'between', { occurredAt: '2026-02-01T00:00:00Z' }),
  ]);
  expect((await tenant.record('j1'))?.data?.lines).toEqual(['late', 'early', 'between']);
  expect((await tenant.log()).map(({ outcome }) => outcome)).toEqual(Array(3).fill('applied'));
});

test('a fact that is sent again is folded once, in the same batch and later', async () => {
  const tenant = await createTenant(service);
  const fact = line('j1', 'a');
  expect(await tenant.pushStatuses([fact, line('j1', 'b'), fact])).toEqual([
    'applied',
    'applied',
    'duplicate of applied',
  ]);
  expect(await tenant.pushStatuses([fact])).toEqual(['duplicate of applied']);
  expect((await tenant.record('j1'))?.data?.lines).toEqual(['a', 'b']);
  expect(await tenant.head()).toBe(2);
});

test('a fact that changes nothing is a noop, and its record is not sent again', async () => {
  const tenant = await createTenant(service);
  await tenant.push([cask('filled', 'c1', 5)]);
  expect(await tenant.pushStatuses([cask('filled', 'c1', 0)])).toEqual(['noop']);
  expect(await tenant.record('c1')).toMatchObject({ version: 1, data: { litres: 5 } });
  expect(await tenant.head()).toBe(2);
});

test('a fact on which reduce threw is folded when it is sent again and reduce can take it', async () => {
  const tenant = await createTenant(service);
  const fact = cask('drawn', 'c1', 2);
  expect(await tenant.pushStatuses([fact])).toEqual(['KIND_FAILED']);
  expect(await tenant.head()).toBe(0);
  expect(await tenant.pushStatuses([cask('filled', 'c1', 5)])).toEqual(['applied']);
  expect(await tenant.pushStatuses([fact])).toEqual(['applied']);
  expect(await tenant.pushStatuses([fact])).toEqual(['duplicate of applied']);
  expect((await tenant.record('c1'))?.data).toEqual({ litres: 3 });
});

test('reduce is told whose event it is and when it happened, on the clock of the server', async () => {
  const tenant = await createTenant(service);
  const occurredAt = '2026-01-01T00:00:00.000Z';
  const event = { identityKey: nextKey(), kind: 'witness.told', occurredAt, payload: { id: 'w1' } };
  const { receivedAt } = await tenant.push([event], {}, 'phone');
  expect((await tenant.record('w1'))?.data).toEqual({
    tenantId: tenant.id,
    identityKey: event.identityKey,
    deviceId: 'phone',
    subject: 'user',
    effectiveAtMs: Date.parse(occurredAt),
    receivedAtMs: Date.parse(receivedAt),
  });
});
