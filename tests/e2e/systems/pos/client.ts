import type { Data } from '../../../outbox/outbox.ts';
import type { LocalKinds } from '../local-kinds.ts';

const resource = {
  entityType: 'resource',
  entityId: ({ resourceType, resourceId }: Data) => `${String(resourceType)}/${String(resourceId)}`,
};

/** The kinds of src/systems/pos on a till. It speaks the protocol, ten events a batch. */
export const posKinds: LocalKinds = {
  'resource.put': { ...resource, apply: (_before, payload) => fieldsOf(payload) },
  'resource.remove': { ...resource, apply: () => undefined },
};

function fieldsOf({ data, resourceType, resourceId }: Data): Data {
  return { ...Object(data), resourceType, resourceId };
}
