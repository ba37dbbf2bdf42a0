import { z } from 'zod';
import { versionSchema } from '../../domain/event.ts';
import type { JsonValue } from '../../domain/json-value.ts';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind } from '../../domain/kinds/define-kind.ts';
import type { Fields } from '../../domain/kinds/intent.ts';
import { payload } from '../../domain/kinds/payload-versions.ts';
import { put, remove } from '../../domain/kinds/policies.ts';
import { mergeCustomer } from './merge-customer.ts';

const refSchema = z.strictObject({
  /** Without a slash, so that no two resources share the id made of both. */
  resourceType: z.string().regex(/^[^/]+$/, 'must not be empty or hold a slash'),
  resourceId: identifierSchema,
  resourceVersion: versionSchema.describe(
    'The record version that the edit was made on; 0 for a new resource',
  ),
});

type ResourceRef = z.infer<typeof refSchema>;

/** Of a resource's own names, those that its data shares with the till's fields. */
const nameOfType = 'resourceType';
const nameOfId = 'resourceId';

/** What came out of JSON is JSON: only its size and its texts need a check, and had one. */
const dataSchema = z.record(z.string(), z.custom<JsonValue>());

const resourceSchema = refSchema.extend({ data: dataSchema }).superRefine((resource, context) => {
  for (const name of [nameOfType, nameOfId] as const) {
    const { data } = resource;
    if (!Object.hasOwn(data, name) || data[name] === resource[name]) continue;
    context.addIssue({ code: 'custom', path: ['data', name], message: `is not the ${name}` });
  }
});

/**
 * Creates a resource or replaces it whole, on the version that its till last saw; else it is a
 * conflict. A till that edits twice offline names its own edit before by `baseKey`, which counts
 * instead of `resourceVersion`.
 *
 * The till's fields stand at the top of the record, beside the resource's type and id, and not under
 * a `data` of their own: a conflict names the top-level fields that differ, and `data` would tell a
 * person nothing. So that no field can hide the type or the id, data that names them must agree.
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

/** Deletes a resource on the version that its till last saw; its tombstone keeps the last data. */
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
