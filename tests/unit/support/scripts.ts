import { z } from 'zod';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import type { Decision, EventContext, Fields, Records } from '../../../src/domain/kinds/intent.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { append } from '../../../src/domain/kinds/policies/append.ts';
import { accept, decide, putRecord } from '../../../src/domain/kinds/policies/decide.ts';
import { put } from '../../../src/domain/kinds/policies/put.ts';
import type { EntityRef } from '../../../src/domain/record.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';

/** What a kind's own code may do wrong, past its types too: it may be plain JavaScript. */
export type Script = (records: Records, context: EventContext) => Decision;

const scriptSchema = z.strictObject({ id: z.string(), play: z.string() });
type Play = z.infer<typeof scriptSchema>;

const retryable = { retryable: true, cause: 'It does not suit now.', remedy: 'Send it again.' };

/** A `decide` kind that does what its event names; it reads `other` and itself. */
export function scriptKind(plays: { readonly [name: string]: Script }) {
  return defineKind({
    name: 'script.play',
    entityType: 'script',
    payload: payload(scriptSchema),
    entityId: ({ id }) => id,
    failures: { NOT_NOW: { ...retryable, retryAfterMs: 5_000 } },
    policy: decide({
      reads: () => [other],
      decide: (event, records, context) => must(plays, event.play)(records, context),
    }),
  });
}

/** A `decide` kind whose `reads` are what its event names. */
export function readingKind(reads: { readonly [name: string]: readonly EntityRef[] }) {
  return defineKind({
    name: 'reader.play',
    entityType: 'reader',
    payload: payload(scriptSchema),
    entityId: ({ id }) => id,
    policy: decide({
      reads: (event) => must(reads, event.play),
      decide: () => ({ accepted: true, writes: [] }),
    }),
  });
}

/** Kinds that write what their event names: by `put`, by `append` and by a decision. */
export function writingKinds(values: { readonly [name: string]: unknown }) {
  const fields = (event: Play) => must(values, event.play) as Fields;
  const common = { payload: payload(scriptSchema), entityId: ({ id }: Play) => id };
  return [
    defineKind({ ...common, name: 'put.play', entityType: 'put', policy: put(fields) }),
    defineKind({
      ...common,
      name: 'append.play',
      entityType: 'append',
      policy: append((_before, fact) => fields(fact)),
    }),
    defineKind({
      ...common,
      name: 'decide.play',
      entityType: 'decide',
      policy: decide({
        reads: () => [],
        decide: (event) =>
          accept(putRecord({ entityType: 'decide', entityId: event.id }, fields(event))),
      }),
    }),
  ];
}

/** An ordered `decide` kind, which writes its own record or none. */
export const orderedKind = defineKind({
  name: 'ordered.play',
  entityType: 'ordered',
  ordered: true,
  payload: payload(scriptSchema),
  entityId: ({ id }) => id,
  policy: decide({
    reads: () => [],
    decide: ({ id, play: data }) =>
      data === 'nothing'
        ? accept()
        : accept(putRecord({ entityType: 'ordered', entityId: id }, { data })),
  }),
});

export const other: EntityRef = { entityType: 'script', entityId: 'other' };

export function play(kind: string, name: string, id = 's1'): SentEvent {
  return { identityKey: nextKey(), kind: `${kind}.play`, payload: { id, play: name } };
}

function must<Value>(values: { readonly [name: string]: Value }, name: string): Value {
  if (!Object.hasOwn(values, name)) throw new Error(`no play ${name}`);
  return values[name] as Value;
}
