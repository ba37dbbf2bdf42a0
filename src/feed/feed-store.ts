import type { StoredRecord } from '../domain/record.ts';
import type { EventReference } from '../domain/stored-event.ts';

/** What of a tenant's records a page has to show. */
export interface FeedCursor {
  /** Sorted; empty for all. */
  readonly entityTypes: readonly string[];
  /** Records after this version … */
  readonly after: number;
  /** … but no tombstones up to this one. 0: no bootstrap. */
  readonly bootstrapHead: number;
  /** Types that the client has already, of which it wants tombstones too … */
  readonly kept: readonly string[];
  /** … and nothing up to this version. */
  readonly floor: number;
}

export interface FeedQuery extends FeedCursor {
  readonly tenantId: string;
  /** The version of the event to hold the caller's checkpoint against; 0 for none. */
  readonly reference: number;
  /** Records a page, more only where the last event wrote several. */
  readonly limit: number;
  /** Bytes of data a page, more only where its first event wrote more. */
  readonly maxBytes: number;
}

export interface HeadQuery {
  readonly tenantId: string;
  /** The version of the event to hold the caller's checkpoint against. */
  readonly reference: number;
}

/** Where a tenant's feed ends. */
export interface FeedHead {
  readonly head: number;
  readonly epoch: string;
  /** The event to hold the caller's checkpoint against. */
  readonly reference: EventReference | undefined;
  readonly readAt: number;
}

/** One page, all of it read in one snapshot. */
export interface FeedPage extends FeedHead {
  readonly records: readonly StoredRecord[];
  readonly hasMore: boolean;
  /** Tombstones up to this version may be gone. */
  readonly horizon: number;
  /** The same for each entity type of which some are; null where none is gone that the page's reader lacks. */
  readonly horizons: ReadonlyMap<string, number> | null;
  /** The event at the position after this page, for the next checkpoint. */
  readonly nextReference: EventReference | undefined;
}

export interface FeedStore {
  /**
   * Looks at the heads of many tenants in one statement.
   *
   * @returns one for each query, in the order given; undefined where the tenant was never seen
   * @throws RequestProblem UNAVAILABLE
   */
  readHeads(queries: readonly HeadQuery[]): Promise<readonly (FeedHead | undefined)[]>;

  /** @throws RequestProblem UNAVAILABLE */
  readPage(query: FeedQuery): Promise<FeedPage>;
}
