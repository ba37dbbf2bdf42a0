import type { Dialect } from './dialect.ts';
import type { LocalKinds } from './view.ts';

/** A bare array of `{kind, payload}`, with the key inside the payload; answers without `results`. */
export const colonyDialect: Dialect = {
  path: '/api/sync/events',
  write: (events) =>
    events.map(({ kind, payload, identityKey }) => ({
      kind,
      payload: { kind, ...payload, identityKey },
    })),
  key: 'identityKey',
};

/** What the player ordered, under the names that this client has for them. */
export const colonyKinds: LocalKinds = {
  structure: order('structure'),
  research: order('research'),
  unit: order('unit'),
};

function order(category: string): LocalKinds[string] {
  return {
    entityType: 'queue-item',
    entityId: ({ locationCoord, catalogKey }) =>
      `${String(locationCoord)}/${category}/${String(catalogKey)}`,
    // A projection: what it costs and when it completes only the server can say.
    apply: (before, payload) => before ?? { ...payload, category },
  };
}
