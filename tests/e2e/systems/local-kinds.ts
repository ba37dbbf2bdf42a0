import type { Apply, Data, LocalEdit } from '../../outbox/outbox.ts';

/** What an event of one kind does on a device until the server has decided it. */
export interface LocalKind {
  readonly entityType: string;
  readonly entityId: (payload: Data) => string;
  /** A pure function. `undefined` stands for an entity that does not exist. */
  readonly apply: (data: Data | undefined, payload: Data) => Data | undefined;
}

export interface LocalKinds {
  readonly [kind: string]: LocalKind;
}

/** What an outbox needs to know of each edit: its entity, and what it does to that. */
export function useKinds(kinds: LocalKinds) {
  const apply: Apply = (data, { kind, payload }) => kinds[kind]?.apply(data, payload);
  const entityOf = ({ kind, payload }: LocalEdit): [type: string, id: string] => {
    const local = kinds[kind];
    if (!local) throw new Error(`no such kind: ${kind}`);
    return [local.entityType, local.entityId(payload)];
  };
  return { apply, entityOf };
}
