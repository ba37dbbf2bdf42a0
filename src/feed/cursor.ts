import { type Checkpoint } from '../protocol/checkpoint.ts';
import type { FeedCursor } from './feed-store.ts';

/** As the head of a bootstrap that begins with this page: each tombstone is older than it. */
export const feedBeginning = Number.MAX_SAFE_INTEGER;

/**
 * Where a pull goes on that asks for these entity types. Types that `since` has seen whole go on where
 * they are; the others are bootstrapped from the beginning. Of a bootstrap that has not come to its
 * end nothing is whole but what was kept beside it, unless the filter only loses types.
 *
 * @param entityTypes sorted; empty for all
 */
export function toFeedCursor(
  since: Pick<Checkpoint, 'version' | 'entityTypes' | 'bootstrap'> | undefined,
  entityTypes: readonly string[],
): FeedCursor {
  if (!since) return { entityTypes, after: 0, bootstrapHead: feedBeginning, kept: [], floor: 0 };
  const { version, bootstrap } = since;
  const known = bootstrap ? bootstrap.kept : since.entityTypes;
  const isNarrower = includesAll(since.entityTypes, entityTypes);
  if (!bootstrap && isNarrower) return plainCursor(entityTypes, version);

  const kept =
    entityTypes.length === 0 ? known : entityTypes.filter((type) => known.includes(type));
  const seen = bootstrap ? Math.max(version, bootstrap.floor) : version;
  if (entityTypes.length > 0 && kept.length === entityTypes.length) {
    return plainCursor(entityTypes, seen);
  }
  if (bootstrap && isNarrower) {
    const floor = kept.length > 0 ? bootstrap.floor : 0;
    return { entityTypes, after: version, bootstrapHead: bootstrap.head, kept, floor };
  }
  return {
    entityTypes,
    after: 0,
    // A client has records of a bootstrap that was cut short: it needs the tombstones since that began.
    bootstrapHead: bootstrap ? bootstrap.head : feedBeginning,
    kept,
    floor: kept.length > 0 ? seen : 0,
  };
}

/** Of types that the client has, all of them up to one version. */
function plainCursor(entityTypes: readonly string[], after: number): FeedCursor {
  return { entityTypes, after, bootstrapHead: 0, kept: [], floor: 0 };
}

/** Whether a filter lets all through that the other does. */
function includesAll(filter: readonly string[], other: readonly string[]): boolean {
  if (filter.length === 0) return true;
  return other.length > 0 && other.every((type) => filter.includes(type));
}
