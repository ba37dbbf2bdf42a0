import type { Checkpoint } from '../protocol/checkpoint.ts';
import type { FeedCursor } from './feed-store.ts';

/** The head of a bootstrap that starts with this page: it is newer than every record. */
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
  if (!since) return bootstrapCursor(entityTypes, 0, []);
  const { version, bootstrap } = since;
  const isNarrower = includesAll(since.entityTypes, entityTypes);
  if (!bootstrap && isNarrower) return { entityTypes, after: version, bootstrap: null };

  const kept = typesOf(bootstrap ? bootstrap.kept : since.entityTypes, entityTypes);
  if (entityTypes.length > 0 && kept.length === entityTypes.length) {
    return { entityTypes, after: version, bootstrap: null };
  }
  if (bootstrap && isNarrower) {
    const { head, last } = bootstrap;
    if (kept.length > 0) return { entityTypes, after: version, bootstrap: { head, kept, last } };
    if (!last) return { entityTypes, after: head, bootstrap: null };
    return { entityTypes, after: 0, bootstrap: { head, kept, last } };
  }
  // The client has records of the unfinished bootstrap. It needs the tombstones since the start of that one.
  const head = bootstrap ? bootstrap.head : feedBeginning;
  return bootstrapCursor(entityTypes, version, kept, head);
}

function bootstrapCursor(
  entityTypes: readonly string[],
  version: number,
  kept: readonly string[],
  head = feedBeginning,
): FeedCursor {
  const after = kept.length > 0 ? version : 0;
  return { entityTypes, after, bootstrap: { head, kept, last: firstRecord } };
}

/** Before every record: no entity type and no id is empty. */
const firstRecord = { entityType: '', entityId: '' };

/** The types of the filter that are among these; the filter and the types are sorted. */
function typesOf(types: readonly string[], filter: readonly string[]): readonly string[] {
  return filter.length === 0 ? types : filter.filter((type) => types.includes(type));
}

/** Whether `filter` includes every type of `other`. */
function includesAll(filter: readonly string[], other: readonly string[]): boolean {
  if (filter.length === 0) return true;
  return other.length > 0 && other.every((type) => filter.includes(type));
}
