import type { Data, LocalKinds } from './view.ts';

const resource = {
  entityType: 'resource',
  entityId: ({ resourceType, resourceId }: Data) => `${String(resourceType)}/${String(resourceId)}`,
};

/** The kinds of src/kinds/pos; it speaks the protocol's own dialect, ten requests a batch. */
export const posKinds: LocalKinds = {
  'resource.put': { ...resource, apply: (_before, payload) => fieldsOf(payload) },
  'resource.remove': { ...resource, apply: () => undefined },
};

function fieldsOf({ data, resourceType, resourceId }: Data): Data {
  return { ...Object(data), resourceType, resourceId };
}
