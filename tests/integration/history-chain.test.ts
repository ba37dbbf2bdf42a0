import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { accept, decide, putRecord, removeRecord } from '../../src/domain/kinds/policies/decide.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import type { HistoryEntry } from '../../src/protocol/history.ts';
import { auditOf } from '../testkit/app/audit.ts';
import { createRetentionRunner, tombstonesOf } from '../testkit/app/retention.ts';
import { createTenant, statusesOf, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { propertyOptions } from '../testkit/events/random-writes.ts';
import { nextKey, type SentEvent } from '../testkit/events/sent-events.ts';
import { documentKinds } from '../testkit/kinds/document-kinds.ts';

const actSchema = z.strictObject({
  id: z.string(),
  /** Whether the event writes the record of its own entity too. */
  own: z.boolean(),
  puts: z.array(z.string()),
  removes: z.array(z.string()),
});
type Act = z.infer<typeof actSchema>;

const act = (entityId: string) => ({ entityType: 'act', entityId });
const doc = (entityId: string) => ({ entityType: 'doc', entityId });

/** Writes documents, and its own record if its payload says so. */
const actDo = defineKind({
  name: 'act.do',
  entityType: 'act',
  payload: payload(actSchema),
  entityId: ({ id }) => id,
  policy: decide({
    reads: ({ puts, removes }) => [...puts, ...removes].map(doc),
    decide: ({ id, own, puts, removes }, _records, { identityKey }) =>
      accept(
        ...(own ? [putRecord(act(id), { by: identityKey })] : []),
        ...puts.map((one) => putRecord(doc(one), { by: identityKey })),
        ...removes.map((one) => removeRecord(doc(one))),
      ),
  }),
});

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...documentKinds('doc'), actDo] });
});
afterAll(() => service.close());

const put = (id: string, rest: object = {}): SentEvent => {
  const identityKey = nextKey();
  return { identityKey, kind: 'doc.put', payload: { id, fields: { by: identityKey } }, ...rest };
};
const remove = (id: string): SentEvent => ({
  ...{ identityKey: nextKey(), kind: 'doc.remove', payload: { id } },
});
const acted = (id: string, more: Partial<Act>, rest: object = {}): SentEvent => ({
  ...{ identityKey: nextKey(), kind: 'act.do' },
  payload: { id, own: false, puts: [], removes: [], ...more },
  ...rest,
});

/** The whole history of an entity, page by page. */
async function historyOf(tenant: Tenant, entity: string, limit = 1): Promise<HistoryEntry[]> {
  const [type = '', id = ''] = entity.split(' ');
  const entries: HistoryEntry[] = [];
  for (let before: number | null | undefined; before !== null; ) {
    const query = before === undefined ? {} : { before };
    const page = await auditOf(tenant).history(type, id, { ...query, limit });
    expect(page.events.length).toBeLessThanOrEqual(limit);
    entries.push(...page.events);
    before = page.nextBefore;
  }
  return entries;
}

const stepsOf = (entries: readonly HistoryEntry[]) =>
  entries.map(({ identityKey, outcome, recordBefore, recordAfter }) => [
    ...[identityKey, outcome, recordBefore, recordAfter],
  ]);

/** Purges every tombstone. */
async function purge(): Promise<void> {
  await sleep(2);
  await createRetentionRunner(service, { tombstoneMs: 1 })();
}

test('the history of a record has its own events, effects and conflicts, in reverse order', async () => {
  const tenant = await createTenant(service);
  const events = [
    put('a'),
    acted('x', { puts: ['a', 'b'] }),
    put('a', { baseVersion: 1 }),
    put('b'),
    acted('x', { removes: ['a'] }),
    put('a', { occurredAt: '2020-01-01T00:00:00Z' }),
    put('a', { baseVersion: 1 }),
    acted('y', { puts: ['a'], own: true }),
  ];
  const statuses = [
    ...['applied', 'applied', 'CONFLICT', 'applied', 'applied', 'superseded', 'CONFLICT'],
    'applied',
  ];
  for (const [at, event] of events.entries()) {
    expect(await tenant.pushStatuses([event])).toEqual([statuses[at]]);
  }
  const keyAt = (version: number) => events[version - 1]?.identityKey;
  expect(stepsOf(await historyOf(tenant, 'doc a'))).toEqual([
    [keyAt(8), 'applied', 5, 8],
    [keyAt(7), 'conflict', 5, 5],
    [keyAt(6), 'superseded', 5, 5],
    [keyAt(5), 'applied', 2, 5],
    [keyAt(3), 'conflict', 2, 2],
    [keyAt(2), 'applied', 1, 2],
    [keyAt(1), 'applied', 0, 1],
  ]);
});

test('an event whose entity never gets a record is in the history of the entity', async () => {
  const tenant = await createTenant(service);
  const events = [
    acted('x', { puts: ['a'] }),
    put('b', { baseVersion: 7 }),
    acted('x', {}),
    put('b', { baseVersion: 7 }),
  ];
  // Two in one request, and each of the others in a request of its own.
  for (const some of [events.slice(0, 2), events.slice(2, 3), events.slice(3)]) {
    await tenant.push(some);
  }
  const keyAt = (version: number) => events[version - 1]?.identityKey;
  expect(stepsOf(await historyOf(tenant, 'act x'))).toEqual([
    [keyAt(3), 'noop', 0, 0],
    [keyAt(1), 'applied', 0, 0],
  ]);
  expect(stepsOf(await historyOf(tenant, 'doc b'))).toEqual([
    [keyAt(4), 'conflict', 0, 0],
    [keyAt(2), 'conflict', 0, 0],
  ]);
  const created = put('b');
  await tenant.push([created]);
  const first = (await historyOf(tenant, 'doc b'))[0];
  expect(first).toMatchObject({ version: 5, recordBefore: 0, recordAfter: 5 });
  expect((await tenant.pull()).changes.map(({ entityId }) => entityId)).toEqual(['a', 'b']);
});

test('a conflict on a purged record is in the history, and the tombstone stays out of the feed', async () => {
  const tenant = await createTenant(service);
  const events = [put('a'), remove('a'), put('other')];
  await tenant.push(events);
  const { checkpoint } = await tenant.pull();
  const versionsOf = async () => (await historyOf(tenant, 'doc a')).map(({ version }) => version);
  await purge();
  expect(await tombstonesOf(tenant)).toEqual([]);
  expect(await versionsOf()).toEqual([2, 1]);
  const stale = [put('a', { baseVersion: 1 }), put('a', { baseVersion: 1 })];
  expect(statusesOf(await tenant.push(stale))).toEqual(['CONFLICT', 'CONFLICT']);
  expect(await versionsOf()).toEqual([5, 4, 2, 1]);
  expect(await tombstonesOf(tenant)).toEqual([]);
  expect((await tenant.pull({ since: checkpoint })).changes).toEqual([]);

  // A discard leaves it there, and a force brings the record back.
  const audit = auditOf(tenant);
  await audit.resolve(stale[0]?.identityKey ?? '', { resolution: 'discard' });
  expect(await tombstonesOf(tenant)).toEqual([]);
  expect(await versionsOf()).toEqual([6, 5, 4, 2, 1]);
  await audit.resolve(stale[1]?.identityKey ?? '', { resolution: 'force' });
  expect(await versionsOf()).toEqual([7, 6, 5, 4, 2, 1]);
  expect((await tenant.pull({ since: checkpoint })).changes).toMatchObject([
    { entityId: 'a', version: 7, deleted: false },
  ]);
});

test('a version that is not of the history is answered INVALID_QUERY', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('a'), acted('x', { puts: ['a'] }), put('b'), put('a')]);
  const before = async (entity: string, version: number) => {
    const url = `/api/sync/entities/${entity}/events?before=${version}`;
    return service.request({ url, sender: tenant.sender() });
  };
  for (const version of [0, 3, 5, Number.MAX_SAFE_INTEGER]) {
    expect(await before('doc/a', version)).toMatchObject({
      status: 400,
      body: { code: 'INVALID_QUERY', path: 'before' },
    });
  }
  expect(await before('doc/unknown', 1)).toMatchObject({ status: 400 });
  for (const [version, left] of [
    [4, [2, 1]],
    [2, [1]],
    [1, []],
  ] as const) {
    const { body } = await before('doc/a', version);
    expect(body.events.map((event: HistoryEntry) => event.version)).toEqual(left);
    expect(body.nextBefore).toBeNull();
  }
});

const names = ['a', 'b'];
const name = fc.constantFrom(...names);
const baseVersion = fc.constantFrom(undefined, undefined, 0, 1, 2);
const old = fc.constantFrom(undefined, undefined, '2020-01-01T00:00:00Z');
const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        ...{ step: fc.constantFrom('put', 'remove', 'patch'), name, baseVersion },
        occurredAt: old,
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        step: fc.constant('act' as const),
        ...{ name: fc.constantFrom('x', 'y'), own: fc.boolean(), baseVersion },
        puts: fc.subarray(names),
        removes: fc.subarray(names),
      }),
    },
    { weight: 2, arbitrary: fc.record({ step: fc.constant('resolve' as const), by: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ step: fc.constant('purge' as const) }) },
  ),
  { minLength: 4, maxLength: 30 },
);
type Step = typeof steps extends fc.Arbitrary<(infer One)[]> ? One : never;

/** The entities that an event touches: its own, and those that it writes unless it is a conflict. */
interface Touched {
  readonly own: string;
  readonly written: readonly string[];
}

test('after any sequence of events, the history of each entity is what was stored for it, in reverse order', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 3 }), async (history, limit) => {
      const tenant = await createTenant(service);
      const touched = await runSteps(tenant, history);
      const log = (await tenant.log()).toReversed();
      const entities = ['doc a', 'doc b', 'act x', 'act y'];
      for (const entity of entities) {
        const expected = log.filter(({ identityKey, outcome }) => {
          const { own, written } = touched.get(identityKey) ?? { own: '', written: [] };
          return own === entity || (outcome !== 'conflict' && written.includes(entity));
        });
        const entries = await historyOf(tenant, entity, limit);
        expect(entries.map(({ version }) => version)).toEqual(
          expected.map(({ version }) => version),
        );
        for (const [at, { version, recordBefore, recordAfter }] of entries.entries()) {
          expect(recordBefore).toBe(entries[at + 1]?.recordAfter ?? 0);
          expect([recordBefore, version]).toContain(recordAfter);
        }
      }
    }),
    propertyOptions(15),
  );
}, 120_000);

async function runSteps(tenant: Tenant, history: readonly Step[]): Promise<Map<string, Touched>> {
  const touched = new Map<string, Touched>();
  for (const step of history) {
    if (step.step === 'purge') await purge();
    else if (step.step === 'resolve') await resolveOne(tenant, touched, step.by);
    else {
      const event = toEvent(step);
      touched.set(event.identityKey, touchedBy(step));
      await tenant.push([event]);
    }
  }
  return touched;
}

async function resolveOne(
  tenant: Tenant,
  touched: Map<string, Touched>,
  by: number,
): Promise<void> {
  const audit = auditOf(tenant);
  const { conflicts } = await audit.conflicts();
  const conflict = conflicts[by % Math.max(1, conflicts.length)];
  if (!conflict) return;
  const { identityKey, version } = conflict;
  const resolution = by % 3 === 0 ? 'discard' : 'force';
  const { own, written } = touched.get(identityKey) ?? { own: '', written: [] };
  touched.set(`landfall:resolution:${version}`, {
    ...{ own, written: resolution === 'discard' ? [] : written },
  });
  await audit.resolve(identityKey, { resolution });
}

type EventStep = Exclude<Step, { step: 'purge' | 'resolve' }>;

function toEvent(step: EventStep): SentEvent {
  const base = step.baseVersion === undefined ? {} : { baseVersion: step.baseVersion };
  if (step.step === 'act') {
    const removes = step.removes.filter((one) => !step.puts.includes(one));
    return acted(step.name, { own: step.own, puts: step.puts, removes }, base);
  }
  const identityKey = nextKey();
  const fields = step.step === 'remove' ? {} : { fields: { by: identityKey } };
  const time = step.occurredAt && { occurredAt: step.occurredAt };
  return {
    ...{ identityKey, kind: `doc.${step.step}`, payload: { id: step.name, ...fields } },
    ...{ ...base, ...time },
  };
}

function touchedBy(step: EventStep): Touched {
  if (step.step !== 'act') return { own: `doc ${step.name}`, written: [] };
  const written = [...step.puts, ...step.removes].map((one) => `doc ${one}`);
  return { own: `act ${step.name}`, written };
}
