import { type Checkpoint } from '../protocol/checkpoint.ts';
import type { FeedCursor } from './feed-store.ts';

/** The head of a bootstrap that starts with this page: it is newer than every tombstone. */
export const feedBeginning = Number.MAX_SAFE_INTEGER;

/**
 * Computes where a pull for these entity types continues. A type that the client has completely, up to
 * `since`, continues there. Other types are bootstrapped from the beginning. During an unfinished
 * bootstrap, only the kept types are complete. If the filter only loses types, the bootstrap continues.
 *
 * @param entityTypes sorted; empty for all types
 */
export function toFeedCursor(
  since: Pick<Checkpoint, 'version' | 'entityTypes' | 'bootstrap'> | undefined,
  entityTypes: readonly string[],
): FeedCursor {
  if (!since) return { entityTypes, after: 0, bootstrapHead: feedBeginning, kept: [], floor: 0 };
  const { version, bootstrap } = since;
  const completeTypes = bootstrap ? bootstrap.kept : since.entityTypes;
  const isNarrower = includesAll(since.entityTypes, entityTypes);
  if (!bootstrap && isNarrower) return plainCursor(entityTypes, version);

  const kept =
    entityTypes.length === 0
      ? completeTypes
      : entityTypes.filter((type) => completeTypes.includes(type));
  const completeUpTo = bootstrap ? Math.max(version, bootstrap.floor) : version;
  if (entityTypes.length > 0 && kept.length === entityTypes.length) {
    return plainCursor(entityTypes, completeUpTo);
  }
  if (bootstrap && isNarrower) {
    const floor = kept.length > 0 ? bootstrap.floor : 0;
    return { entityTypes, after: version, bootstrapHead: bootstrap.head, kept, floor };
  }
  return {
    entityTypes,
    after: 0,
    // The client has records of the unfinished bootstrap. It needs the tombstones since the start of that one.
    bootstrapHead: bootstrap ? bootstrap.head : feedBeginning,
    kept,
    floor: kept.length > 0 ? completeUpTo : 0,
  };
}

/** The cursor for types that the client has completely, all of them up to the same version. */
function plainCursor(entityTypes: readonly string[], after: number): FeedCursor {
  return { entityTypes, after, bootstrapHead: 0, kept: [], floor: 0 };
}

/** Whether `filter` includes every type of `other`. */
function includesAll(filter: readonly string[], other: readonly string[]): boolean {
  if (filter.length === 0) return true;
  return other.length > 0 && other.every((type) => filter.includes(type));
}
