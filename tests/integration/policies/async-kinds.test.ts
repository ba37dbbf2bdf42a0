import { z } from 'zod';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/payload-versions.ts';
import { append, decide, type Policy, patch, put } from '../../../src/domain/kinds/policies.ts';
import { bundledKinds } from '../../../src/systems/bundled.ts';
import { rehearse } from '../../../src/testing/rehearse.ts';
import { auditOf } from '../../testkit/oracle/audit.ts';
import { nextKey, put as putNote, type SentEvent } from '../../testkit/oracle/events.ts';
import { createTenant } from '../../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app.ts';
import { listenForUnhandled } from '../../testkit/unhandled.ts';

const thingSchema = z.strictObject({ id: z.string(), size: z.number().default(1) });
type Thing = z.infer<typeof thingSchema>;

/** What a kind's author who forgot that they must not wait writes, past the types. */
// oxlint-disable-next-line typescript/no-explicit-any
type Anything = any;
type Slow = (value: unknown) => Anything;
const slowly: { readonly [name: string]: Slow } = {
  resolves: async (value) => value,
  rejects: async () => {
    throw new Error('it failed later');
  },
};

const size = ({ size: fields }: Thing) => ({ size: fields });
const entityId = ({ id }: Thing) => id;
const custom = (intend: Slow): Policy<Thing> =>
  Object.assign((thing: Thing) => intend({ policy: 'put', fields: size(thing) }), {
    family: 'last-write-wins',
    precondition: 'optional',
  } as const);

/** Each function of a kind in turn gives its value later. */
function kindsOf(how: string) {
  const later = slowly[how] as Slow;
  const parts = {
    decide: { policy: decide<Thing>({ reads: () => [], decide: () => later(accepted) }) },
    reads: { policy: decide<Thing>({ reads: () => later([]), decide: () => accepted }) },
    reduce: { policy: append<Thing>((_before, thing) => later(size(thing))) },
    policy: { policy: custom(later) },
    fields: { policy: put<Thing>((thing) => later(size(thing))) },
    patched: { policy: patch<Thing>((thing) => later(size(thing))) },
    id: { policy: put(size), entityId: (thing: Thing) => later(thing.id) },
    base: { policy: put(size), baseVersion: () => later(1) },
  };
  return Object.entries(parts).map(([name, part]) => {
    const entityType = `${how}.${name}`;
    const kind = { name: `${entityType}.play`, entityType, payload: payload(thingSchema) };
    return defineKind<Thing>({ ...kind, entityId, ...part });
  });
}
const accepted = { accepted: true, writes: [] } as const;

const slow = Object.keys(slowly).flatMap(kindsOf);
const hooked = Object.keys(slowly).map((how) => {
  return defineKind<Thing>({
    ...{ name: `hook.${how}`, entityType: 'hook', payload: payload(thingSchema), entityId },
    policy: put(size),
    resolve: () => (slowly[how] as Slow)({ size: 99 }),
  });
});
const kinds = [...bundledKinds, ...slow, ...hooked];
const names = slow.map(({ name }) => name);

function send(kind: string, rest: object = {}, content: object = {}): SentEvent {
  return { identityKey: nextKey(), kind, payload: { id: 'a', ...content }, ...rest };
}

let service: TestApp;
let unhandled: ReturnType<typeof listenForUnhandled>;
beforeAll(async () => {
  service = await startApp({ kinds });
});
afterAll(() => service.close());
beforeEach(() => {
  unhandled = listenForUnhandled();
});
afterEach(() => unhandled.stop());

const faults = () => service.logLines.filter(({ event }) => event === 'kind.failed').length;

test.each(names)(
  '%s: the event fails alone, it is logged, and nothing is left unhandled',
  async (kind) => {
    const tenant = await createTenant(service);
    const before = faults();
    const { results, failed } = await tenant.push([putNote('n1'), send(kind), putNote('n2')]);
    expect(results?.map(({ status }) => status)).toEqual(['applied', 'failed', 'applied']);
    expect(failed).toMatchObject([{ code: 'KIND_FAILED', retryable: true }]);
    expect([...(await tenant.records()).keys()]).toEqual(['n1', 'n2']);
    expect(faults() - before).toBe(1);
    expect(await unhandled.all()).toEqual([]);
  },
);

test.each(names)('%s: so it is in a rehearsal', async (kind) => {
  const { answers, faults: thrown } = rehearse(kinds, [{ events: [putNote('n1'), send(kind)] }]);
  expect(answers[0]?.failed).toMatchObject([{ code: 'KIND_FAILED' }]);
  expect(thrown).toHaveLength(1);
  expect(await unhandled.all()).toEqual([]);
});

test.each(hooked.map(({ name }) => name))(
  '%s: the last write wins, it is logged once, and nothing is left unhandled',
  async (kind) => {
    const tenant = await createTenant(service);
    const on = (day: number) => ({ occurredAt: `2026-01-0${day}T00:00:00Z` });
    await tenant.push([send(kind, on(1)), send(kind, on(3), { size: 3 })]);
    const before = faults();
    const stale = [2, 4].map((day) => send(kind, { baseVersion: 1, ...on(day) }, { size: day }));
    expect(await tenant.said(stale)).toEqual(['superseded', 'applied']);
    expect(await tenant.record('a')).toMatchObject({ version: 4, data: { size: 4 } });
    expect(faults() - before).toBe(1);
    const told = service.logLines.findLast(({ event }) => event === 'kind.failed');
    expect(told).toMatchObject({ kinds: { [kind]: 2 } });
    expect(await unhandled.all()).toEqual([]);
  },
);

describe('a release whose kind became async', () => {
  const plain = defineKind<Thing>({
    ...{ name: 'thing.play', entityType: 'thing', payload: payload(thingSchema), entityId },
    policy: put(size),
  });

  test.each(names)('shows and settles its conflicts without an end: %s', async (name) => {
    const { entityType } = slow.find((kind) => kind.name === name) ?? {};
    const older = Object.assign(
      defineKind<Thing>({
        ...{ name, entityType: entityType ?? '', payload: payload(thingSchema), entityId },
        policy: put(size),
      }),
    );
    const first = await startApp({ kinds: [plain, older], database: service.database });
    try {
      const tenant = await createTenant(first);
      const loser = send(name, { baseVersion: 1 });
      await tenant.push([send(name), send(name, {}, { size: 2 }), loser]);
      const audit = auditOf(tenant, service);
      expect((await audit.find(loser.identityKey)).status).toBe(200);
      expect(await audit.resolve(loser.identityKey, { resolution: 'force' })).toMatchObject({
        ...{ status: 409, body: { code: 'RESOLUTION_REFUSED', failure: 'KIND_FAILED' } },
      });
      expect(await unhandled.all()).toEqual([]);
    } finally {
      await first.close();
    }
  });
});
