import type { StoredRecord } from '../domain/record.ts';
import type { EventReference } from '../domain/event.ts';

/** Which records of a tenant a page shows. */
export interface FeedCursor {
  /** Sorted. Empty for all types. */
  readonly entityTypes: readonly string[];
  /** The page has the records after this version. */
  readonly after: number;
  /** The page has no tombstones up to this version, except of the kept types. 0 without a bootstrap. */
  readonly bootstrapHead: number;
  /** The types that the client has already. The page has their tombstones too. */
  readonly kept: readonly string[];
  /** The page has no records of the kept types up to this version. */
  readonly floor: number;
}

export interface FeedQuery extends FeedCursor {
  readonly tenantId: string;
  /** The version whose event the checkpoint is compared with. 0 without a checkpoint. */
  readonly reference: number;
  /** The maximum of records. A page exceeds it only to be complete for its last version. */
  readonly limit: number;
  /** The maximum of bytes of data. A page exceeds it only if the records of its first version do. */
  readonly maxBytes: number;
}

export interface HeadQuery {
  readonly tenantId: string;
  /** The version whose event the checkpoint is compared with. */
  readonly reference: number;
}

/** The end of a tenant's feed. */
export interface FeedHead {
  /** The version of the tenant's newest event. */
  readonly head: number;
  readonly epoch: string;
  /** The event at the reference version of the query. */
  readonly reference: EventReference | undefined;
  /** Microseconds since 1970. */
  readonly readAt: number;
}

/** One page. It is read in one snapshot of the database. */
export interface FeedPage extends FeedHead {
  readonly records: readonly StoredRecord[];
  readonly hasMore: boolean;
  /** Tombstones up to this version may have been purged. */
  readonly horizon: number;
  /** The horizon of each entity type that has one. Null if no purged tombstone is newer than the cursor. */
  readonly horizons: ReadonlyMap<string, number> | null;
  /** The event at the reference version of the next checkpoint. */
  readonly nextReference: EventReference | undefined;
}

export interface FeedStore {
  /**
   * Reads the heads of many tenants with one statement.
   *
   * @returns one head per query, in the same order; undefined for an unknown tenant
   * @throws RequestProblem UNAVAILABLE
   */
  readHeads(queries: readonly HeadQuery[]): Promise<readonly (FeedHead | undefined)[]>;

  /** @throws RequestProblem UNAVAILABLE */
  readPage(query: FeedQuery): Promise<FeedPage>;
}
