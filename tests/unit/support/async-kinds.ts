import { z } from 'zod';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { append } from '../../../src/domain/kinds/policies/append.ts';
import { decide } from '../../../src/domain/kinds/policies/decide.ts';
import type { Policy } from '../../../src/domain/kinds/policies/policy.ts';
import { patch } from '../../../src/domain/kinds/policies/patch.ts';
import { put } from '../../../src/domain/kinds/policies/put.ts';
import { bundledKinds } from '../../../src/systems/bundled.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';

const thingSchema = z.strictObject({ id: z.string(), size: z.number().default(1) });
type Thing = z.infer<typeof thingSchema>;

/** Plain JavaScript may return a promise where the types forbid it. */
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
const accepted = { accepted: true, writes: [] } as const;

/** Kinds of which one function each returns a promise. */
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

/** Each fails on every event. */
export const asyncKinds = Object.keys(slowly).flatMap(kindsOf);

/** Kinds whose resolve hook returns a promise. */
export const asyncHookKinds = Object.keys(slowly).map((how) =>
  defineKind<Thing>({
    ...{ name: `hook.${how}`, entityType: 'hook', payload: payload(thingSchema), entityId },
    policy: put(size),
    resolve: () => (slowly[how] as Slow)({ size: 99 }),
  }),
);

export const kindsWithAsync = [...bundledKinds, ...asyncKinds, ...asyncHookKinds];

/** The asynchronous kinds as they were before: they put the size. */
export const formerKinds = asyncKinds.map(({ name, entityType }) =>
  defineKind<Thing>({
    ...{ name, entityType, payload: payload(thingSchema), entityId },
    policy: put(size),
  }),
);

export function send(kind: string, rest: object = {}, content: object = {}): SentEvent {
  return { identityKey: nextKey(), kind, payload: { id: 'a', ...content }, ...rest };
}
