import type { EventReference } from '../domain/event.ts';
import type { EntityRef, StoredRecord } from '../domain/record.ts';

/** Which records of a tenant a page shows. */
export interface FeedCursor {
  /** Sorted. Empty for all types. */
  readonly entityTypes: readonly string[];
  /** The version after which changes are shown. During a bootstrap: changes of the kept types. */
  readonly after: number;
  /** Null for a page of changes of all types of the cursor. */
  readonly bootstrap: BootstrapCursor | null;
}

export interface BootstrapCursor {
  /** The records that this version or an older one left are read by key. Later changes are shown afterwards. */
  readonly head: number;
  /** The types that the client has already. They are not read by key. */
  readonly kept: readonly string[];
  /** The last record that was read. Null once all records were read: what changed meanwhile is shown. */
  readonly last: EntityRef | null;
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

/** The end of a tenant's feed. */
export interface FeedHead {
  /** The version of the tenant's newest event. */
  readonly head: number;
  readonly epoch: string;
  /** Of a page: the event at the reference version of the query. Else the event at the head. */
  readonly reference: EventReference | undefined;
  /** Microseconds since 1970. */
  readonly readAt: number;
}

/** One page. It is read in one snapshot of the database. */
export interface FeedPage extends FeedHead {
  readonly records: readonly StoredRecord[];
  readonly hasMore: boolean;
  /** In a bootstrap that reads records by key: whether this page ends before the last of them. Else false. */
  readonly hasMoreRecords: boolean;
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
   * @returns one head per tenant, in the same order; undefined for an unknown tenant
   * @throws RequestProblem UNAVAILABLE
   */
  readHeads(tenantIds: readonly string[]): Promise<readonly (FeedHead | undefined)[]>;

  /** @throws RequestProblem UNAVAILABLE */
  readPage(query: FeedQuery): Promise<FeedPage>;
}
