import { z } from 'zod';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { patch } from '../../../src/domain/kinds/policies/patch.ts';
import { put } from '../../../src/domain/kinds/policies/put.ts';
import { remove } from '../../../src/domain/kinds/policies/remove.ts';
import { identifierSchema } from '../../../src/domain/identifier.ts';
import { nextKey, type SentEvent } from '../events/sent-events.ts';

const fieldsSchema = z.record(z.string(), z.union([z.string(), z.number(), z.null()]));
const documentSchema = z.strictObject({ id: identifierSchema, fields: fieldsSchema });

/** Kinds whose records may have any fields, so that a put may omit some of them. */
export function documentKinds(entityType: string, ordered = false) {
  const named = (verb: string) => ({ name: `${entityType}.${verb}`, entityType, ordered });
  const written = {
    payload: payload(documentSchema),
    entityId: ({ id }: z.infer<typeof documentSchema>) => id,
  };
  return [
    defineKind({ ...named('put'), ...written, policy: put(({ fields }) => fields) }),
    defineKind({ ...named('patch'), ...written, policy: patch(({ fields }) => fields) }),
    defineKind({
      ...named('remove'),
      payload: payload(z.strictObject({ id: identifierSchema })),
      entityId: ({ id }) => id,
      policy: remove(),
    }),
  ];
}

export type DocumentFields = Readonly<Record<string, string | number | null>>;
/** A day of January 2026, or an ISO 8601 time. */
export type DocumentTime = string | number;

/** Events of the document `e1`. @param at the time when they occurred */
export const e1 = {
  put: (at: DocumentTime, fields: DocumentFields, key?: string) =>
    event('doc.put', at, { fields }, key),
  patch: (at: DocumentTime, fields: DocumentFields, key?: string) =>
    event('doc.patch', at, { fields }, key),
  remove: (at: DocumentTime, key?: string) => event('doc.remove', at, {}, key),
};

function event(
  kind: string,
  at: DocumentTime,
  content: object,
  identityKey = nextKey(),
): SentEvent {
  const occurredAt =
    typeof at === 'string' ? at : `2026-01-${String(at).padStart(2, '0')}T00:00:00Z`;
  return { identityKey, kind, occurredAt, payload: { id: 'e1', ...content } };
}
