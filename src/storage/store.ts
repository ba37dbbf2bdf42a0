import type { StoredOutcome } from '../protocol/push.ts';
import type { Resolution } from '../protocol/conflict.ts';
import type { EntityRef, StoredRecord } from '../protocol/record.ts';

/**
 * A time and the identityKey that breaks a tie: what last-write-wins compares. `default`: of a field whose
 * value nobody wrote, as the put did not know it.
 */
export type Stamp = readonly [effectiveAt: number, identityKey: string, value?: 'default'];

/** The stamps that decide last-write-wins for one record. Stored, never sent. */
export interface RecordClock {
  /** The newest put: the time of every field that `fields` does not name. */
  readonly put?: Stamp;
  readonly remove?: Stamp;
  /** Fields of another time than that put: patched since, or kept by a put that did not know them. */
  readonly fields?: { readonly [name: string]: Stamp };
  /**
   * When each device last wrote, in microseconds since 1970: its next write counts after that. The device of
   * `originDevice` is left out where it is `originAt`.
   */
  readonly devices?: { readonly [deviceId: string]: number };
}

/** A record as deciding needs it. */
export interface RecordState extends StoredRecord {
  readonly clock: RecordClock;
  readonly sequence: number | null;
  /**
   * Its tombstone was purged, and no put newer than its remove came since: its clock is left, and no data.
   * `shown`: a later event has put a tombstone into the feed again.
   */
  readonly purged?: 'hidden' | 'shown';
}

/** One row of the log. Times are microseconds since 1970, as everywhere this side of the SQL. */
export interface EventRow {
  readonly version: number;
  readonly identityKey: string;
  readonly fingerprint: Buffer;
  readonly kind: string;
  readonly kindVersion: number;
  readonly entityType: string;
  readonly entityId: string;
  readonly outcome: StoredOutcome;
  readonly deviceId: string | null;
  readonly subject: string | null;
  readonly occurredAt: number | null;
  readonly effectiveAt: number;
  readonly receivedAt: number;
  readonly clockAdjusted: boolean;
  readonly baseVersion: number | null;
  readonly baseKey: string | null;
  readonly sequence: number | null;
  /** JSON text, as the client sent it. */
  readonly payload: string;
  /** The versions of the event's own record before and after it; 0 where there was none. */
  readonly recordBefore: number;
  readonly recordAfter: number;
  /** The conflict that this event resolves. */
  readonly resolves: { readonly version: number; readonly resolution: Resolution } | null;
}

/** What an event wrote to a record beside its own. */
export interface EffectRow extends EntityRef {
  /** Of the event. */
  readonly version: number;
  readonly recordBefore: number;
  readonly recordAfter: number;
}

/** What proves that an event still stands at its version. */
export interface EventProof {
  readonly fingerprint: Buffer;
  readonly receivedAt: number;
}

/** A stored event that a batch names again, by identityKey, baseKey or baseVersion. */
export interface KnownEvent {
  readonly identityKey: string;
  readonly version: number;
  readonly fingerprint: Buffer;
  readonly kind: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly outcome: StoredOutcome;
  /** The event one version before it; undefined for the first. */
  readonly previous: EventProof | undefined;
}

/** What a batch needs to have loaded before it can be decided. */
export interface Wanted {
  readonly tenantId: string;
  readonly identityKeys: readonly string[];
  readonly entities: readonly EntityRef[];
  /** The versions on which its edits say they were made. */
  readonly bases: readonly Base[];
}

/** A version of a tenant's log that an edit of an entity names as its base. */
export interface Base extends EntityRef {
  readonly version: number;
}

/** A row of a set that spans tenants. */
export type OfTenant<Row> = Row & { readonly tenantId: string };

/** One tenant under its row lock: nothing of it can change before the plan is written. */
export interface TenantSnapshot {
  readonly tenantId: string;
  readonly head: number;
  readonly epoch: string;
  readonly headProof: EventProof | undefined;
  /** The database's clock, after the lock was taken. */
  readonly receivedAt: number;
  readonly known: readonly KnownEvent[];
  readonly records: readonly RecordState[];
}

/** What to write for one tenant: rows to append, records to replace, the head to move to. */
export interface TenantPlan<Decision> {
  readonly head: number;
  readonly events: readonly EventRow[];
  readonly effects: readonly EffectRow[];
  readonly records: readonly RecordState[];
  /** One per batch of the tenant, in order; handed back to whoever sent the batch. */
  readonly decisions: readonly Decision[];
}

/** Yields as often as it can be interrupted for a moment. */
export type DecideTenant<Batch, Decision> = (
  snapshot: TenantSnapshot,
  batches: readonly Batch[],
) => Generator<void, TenantPlan<Decision>>;

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
  readonly reference: EventProof | undefined;
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
  readonly nextReference: EventProof | undefined;
}

export interface SyncStore {
  /**
   * Decides and stores a group of batches in one transaction, in two round trips.
   *
   * @returns one decision per batch, in the order given, after COMMIT was confirmed
   * @throws RequestProblem UNAVAILABLE or OVERLOADED (nothing was stored) or COMMIT_UNKNOWN (all or
   *   nothing was); TooMuchWork, and whatever `decide` throws, with nothing stored
   */
  ingest<Batch extends { readonly wanted: Wanted }, Decision>(
    batches: readonly Batch[],
    decide: DecideTenant<Batch, Decision>,
  ): Promise<readonly Decision[]>;

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
