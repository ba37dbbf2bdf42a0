import type { ClientDialect } from '../dialect.ts';
import type { LocalKind, LocalKinds } from '../local-kinds.ts';

/** A bare array of `{kind, payload}` with the key inside the payload. The answers have no `results`. */
export const colonyDialect: ClientDialect = {
  path: '/api/sync/events',
  write: (events) =>
    events.map(({ kind, payload, identityKey }) => ({
      kind,
      payload: { kind, ...payload, identityKey },
    })),
  key: 'identityKey',
};

/** The orders of a player, under the names that this client has for them. */
export const colonyKinds: LocalKinds = {
  structure: order('structure'),
  research: order('research'),
  unit: order('unit'),
};

function order(category: string): LocalKind {
  return {
    entityType: 'queue-item',
    entityId: ({ locationCoord, catalogKey }) =>
      `${String(locationCoord)}/${category}/${String(catalogKey)}`,
    // Only the server knows what it costs and when it completes.
    apply: (before, payload) => before ?? { ...payload, category },
  };
}
