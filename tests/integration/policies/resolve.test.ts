import { z } from 'zod';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import type { EventContext, Fields, RecordView } from '../../../src/domain/kinds/intent.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { patch } from '../../../src/domain/kinds/policies/patch.ts';
import { put } from '../../../src/domain/kinds/policies/put.ts';
import { remove } from '../../../src/domain/kinds/policies/remove.ts';
import { strict } from '../../../src/domain/kinds/policies/strict.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

const cardSchema = z.strictObject({
  id: z.string(),
  fields: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
});
type Card = z.infer<typeof cardSchema>;

interface Asked {
  readonly current: RecordView;
  readonly incoming: Fields;
  readonly context: EventContext;
}
const asked: Asked[] = [];

/** Adds up the stamps of both sides; leaves a new name to a person; cannot read a broken one. */
function merge(current: RecordView, incoming: Fields, context: EventContext) {
  asked.push({ current, incoming, context });
  if (incoming.name === 'unmergeable') return undefined;
  if (incoming.name === 'broken') throw new Error('the hook failed');
  if (incoming.name === 'nonsense') return { stamps: Number.NaN };
  const stamps = Number(current.data.stamps ?? 0) + Number(incoming.stamps ?? 0);
  return { ...incoming, ...current.data, stamps };
}

const card = { entityType: 'card', payload: payload(cardSchema), entityId: ({ id }: Card) => id };
const fieldsOf = ({ fields }: Card) => fields;
const kinds = [
  defineKind({ ...card, name: 'card.put', policy: put(fieldsOf), resolve: merge }),
  defineKind({ ...card, name: 'card.patch', policy: patch(fieldsOf), resolve: merge }),
  defineKind({ ...card, name: 'card.strict', policy: strict(put(fieldsOf)), resolve: merge }),
  defineKind({ ...card, name: 'card.remove', policy: remove() }),
];

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds });
});
afterAll(() => service.close());
beforeEach(() => {
  asked.length = 0;
});

function send(verb: string, fields: Card['fields'], rest: object = {}): SentEvent {
  return { identityKey: nextKey(), kind: `card.${verb}`, payload: { id: 'c1', fields }, ...rest };
}

/** At version 2 a card that was edited since version 1, on the given day of January. */
async function edited(day = 10): Promise<Tenant> {
  const tenant = await createTenant(service);
  const occurredAt = new Date(Date.UTC(2026, 0, day)).toISOString();
  await tenant.push([
    send('put', { stamps: 1 }, { occurredAt }),
    send('put', { stamps: 2, name: 'Ada' }, { occurredAt }),
  ]);
  return tenant;
}

function faults() {
  return service.logLines.filter(({ event }) => event === 'kind.failed').length;
}

test.each(['put', 'patch', 'strict'])(
  'a stale %s is merged with what stands there, and applied',
  async (verb) => {
    const tenant = await edited();
    const stale = send(verb, { stamps: 5, town: 'Rome' }, { baseVersion: 1 });
    const { processed, failed } = await tenant.push([stale]);
    expect({ processed, failed }).toEqual({ processed: [stale.identityKey], failed: [] });
    expect(await tenant.record('c1')).toMatchObject({
      version: 3,
      data: { stamps: 7, name: 'Ada', town: 'Rome' },
      origin: { identityKey: stale.identityKey },
    });
    const outcomes = (await tenant.log()).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(['applied', 'applied', 'merged']);
  },
);

test('the hook sees both sides, and whose event it is', async () => {
  const tenant = await edited();
  const stale = send('put', { stamps: 5 }, { baseVersion: 1, occurredAt: '2026-01-01T00:00:00Z' });
  const { receivedAt } = await tenant.push([stale], {}, 'phone');
  expect(asked).toEqual([
    {
      current: {
        entityType: 'card',
        entityId: 'c1',
        version: 2,
        data: { stamps: 2, name: 'Ada' },
        updatedAtMs: expect.any(Number),
      },
      incoming: { stamps: 5 },
      context: {
        tenantId: tenant.id,
        identityKey: stale.identityKey,
        deviceId: 'phone',
        subject: 'user',
        effectiveAtMs: Date.UTC(2026, 0, 1),
        receivedAtMs: Date.parse(receivedAt),
      },
    },
  ]);
});

test('what was merged is a duplicate when it is sent again, and is not merged twice', async () => {
  const tenant = await edited();
  const stale = send('put', { stamps: 5 }, { baseVersion: 1 });
  expect(await tenant.pushStatuses([stale, stale])).toEqual(['applied', 'duplicate of applied']);
  expect(await tenant.pushStatuses([stale])).toEqual(['duplicate of applied']);
  expect((await tenant.record('c1'))?.data).toMatchObject({ stamps: 7 });
  expect(asked).toHaveLength(1);
});

test('a stale edit made on an own event is merged too', async () => {
  const tenant = await createTenant(service);
  const own = send('put', { stamps: 1 });
  await tenant.push([own]);
  await tenant.push([send('put', { stamps: 2 })], {}, 'other');
  expect(
    await tenant.pushStatuses([send('put', { stamps: 5 }, { baseKey: own.identityKey })]),
  ).toEqual(['applied']);
  expect((await tenant.record('c1'))?.data).toEqual({ stamps: 7 });
});

test('an edit made on what was merged is merged too: its sender has not seen the other side', async () => {
  const tenant = await edited();
  const stale = send('put', { stamps: 5 }, { baseVersion: 1 });
  const next = send('put', { stamps: 1, town: 'Rome' }, { baseKey: stale.identityKey });
  expect(await tenant.pushStatuses([stale, next])).toEqual(['applied', 'applied']);
  expect((await tenant.record('c1'))?.data).toEqual({ stamps: 8, name: 'Ada', town: 'Rome' });
});

test('a merge that changes nothing is applied, and the record keeps its version', async () => {
  const tenant = await edited();
  expect(await tenant.pushStatuses([send('put', { stamps: 0 }, { baseVersion: 1 })])).toEqual([
    'applied',
  ]);
  expect(await tenant.record('c1')).toMatchObject({ version: 2 });
});

test('what the hook leaves to a person is a conflict, as without a hook', async () => {
  const tenant = await edited();
  const stale = send('put', { name: 'unmergeable' }, { baseVersion: 1 });
  const first = await tenant.push([stale]);
  expect(first.failed).toMatchObject([
    { code: 'CONFLICT', current: { version: 2 }, differingFields: ['name', 'stamps'] },
  ]);
  expect(asked).toHaveLength(1);
  expect((await tenant.push([stale])).failed).toEqual(first.failed);
  expect(await tenant.head()).toBe(3);
});

test.each(['broken', 'nonsense'])(
  'where the hook fails (%s) a later edit wins, it is logged once, and nothing fails',
  async (name) => {
    const tenant = await edited(10);
    const before = faults();
    const later = send('put', { name }, { baseVersion: 1, occurredAt: '2026-01-11T00:00:00Z' });
    expect(await tenant.pushStatuses([later, later])).toEqual(['applied', 'duplicate of applied']);
    expect(await tenant.record('c1')).toMatchObject({ version: 3, data: { name } });
    expect(faults() - before).toBe(1);
  },
);

test.each(['broken', 'nonsense'])(
  'where the hook fails (%s) an earlier edit loses, it is logged once, and nothing fails',
  async (name) => {
    const tenant = await edited(10);
    const before = faults();
    const earlier = send('put', { name }, { baseVersion: 1, occurredAt: '2026-01-09T00:00:00Z' });
    const { processed, failed, results } = await tenant.push([earlier]);
    expect({ processed, failed }).toEqual({ processed: [earlier.identityKey], failed: [] });
    expect(results).toMatchObject([{ status: 'superseded', current: { data: { name: 'Ada' } } }]);
    expect(await tenant.record('c1')).toMatchObject({ version: 2, data: { name: 'Ada' } });
    expect(faults() - before).toBe(1);
  },
);

test('what the hook threw is for the operator, and not in the answer', async () => {
  const tenant = await edited();
  const answer = await tenant.push([send('put', { name: 'broken' }, { baseVersion: 1 })]);
  expect(JSON.stringify(answer)).not.toContain('the hook failed');
  expect(service.logLines).toContainEqual(
    expect.objectContaining({
      event: 'kind.failed',
      fault: expect.objectContaining({ stack: expect.stringContaining('resolve.test.ts') }),
    }),
  );
});

test.each([
  ['the base is the newest version', { baseVersion: 2 }],
  ['the edit names no base', {}],
])('the hook is not asked where %s', async (_why, rest) => {
  const tenant = await edited();
  expect(await tenant.pushStatuses([send('put', { stamps: 5 }, rest)])).toEqual(['applied']);
  expect((await tenant.record('c1'))?.data).toEqual({ stamps: 5 });
  expect(asked).toEqual([]);
});

test('the hook is not asked where the record is deleted or was never there: a conflict', async () => {
  const tenant = await edited();
  await tenant.push([send('remove', {})]);
  expect(await tenant.pushStatuses([send('put', { stamps: 5 }, { baseVersion: 1 })])).toEqual([
    'CONFLICT',
  ]);
  const empty = await createTenant(service);
  expect(await empty.pushStatuses([send('put', { stamps: 5 }, { baseVersion: 1 })])).toEqual([
    'CONFLICT',
  ]);
  expect(asked).toEqual([]);
});

test('a kind of the same entity without a hook is in conflict', async () => {
  const tenant = await edited();
  expect(await tenant.pushStatuses([send('remove', {}, { baseVersion: 1 })])).toEqual(['CONFLICT']);
});
