import { z } from 'zod';
import { versionSchema } from '../../domain/event.ts';
import type { JsonValue } from '../../domain/json-value.ts';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind } from '../../domain/kinds/define-kind.ts';
import type { Fields } from '../../domain/kinds/intent.ts';
import { payload } from '../../domain/kinds/schema-versions.ts';
import { put } from '../../domain/kinds/policies/put.ts';
import { remove } from '../../domain/kinds/policies/remove.ts';
import { mergeCustomer } from './merge-customer.ts';

const refSchema = z.strictObject({
  /** Without a slash, so that two resources cannot have the same entity id. */
  resourceType: z.string().regex(/^[^/]+$/, 'must not be empty or contain a slash'),
  resourceId: identifierSchema,
  resourceVersion: versionSchema.describe(
    'The record version that the edit was made on; 0 for a new resource',
  ),
});

type ResourceRef = z.infer<typeof refSchema>;

/** The names that a record's data has for the resource itself, beside the fields of the till. */
const nameOfType = 'resourceType';
const nameOfId = 'resourceId';

/** The values were parsed from JSON, and their size and texts were checked with the event. */
const dataSchema = z.record(z.string(), z.custom<JsonValue>());

const resourceSchema = refSchema.extend({ data: dataSchema }).superRefine((resource, context) => {
  for (const name of [nameOfType, nameOfId] as const) {
    const { data } = resource;
    if (!Object.hasOwn(data, name) || data[name] === resource[name]) continue;
    context.addIssue({
      code: 'custom',
      path: ['data', name],
      message: `is different from ${name} of the payload`,
    });
  }
});

/**
 * Creates a resource or replaces it completely, based on the version that its till last saw. If the record has another
 * version, the event is a conflict. A till that edits twice offline names its own earlier edit by `baseKey`, which
 * counts instead of `resourceVersion`.
 *
 * The fields of the till are top-level fields of the record, beside the resource's type and id, because a conflict
 * names the top-level fields that differ. If they were one field `data`, a conflict would always name `data`. Data that
 * contains the type or the id must have the same values, so that no field of the till can hide them.
 */
export const resourcePut = defineKind({
  name: 'resource.put',
  entityType: 'resource',
  payload: payload(resourceSchema),
  entityId,
  policy: put(({ resourceType, resourceId, data }) => ({ ...data, resourceType, resourceId })),
  baseVersion: (resource) => resource.resourceVersion,
  resolve: (current, incoming): Fields | undefined =>
    incoming.resourceType === 'Customer' ? mergeCustomer(current.data, incoming) : undefined,
});

/** Deletes a resource, based on the version that its till last saw. Its tombstone keeps the last data. */
export const resourceRemove = defineKind({
  name: 'resource.remove',
  entityType: 'resource',
  payload: payload(refSchema),
  entityId,
  policy: remove(),
  baseVersion: (resource) => resource.resourceVersion,
});

function entityId({ resourceType, resourceId }: ResourceRef): string {
  return `${resourceType}/${resourceId}`;
}
