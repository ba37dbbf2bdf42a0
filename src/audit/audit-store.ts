import type { ConflictsQuery } from '../protocol/conflict.ts';
import type { Resolution, StoredEvent } from '../domain/event.ts';
import type { EntityRef, StoredRecord } from '../domain/record.ts';

/** One row of the log, as it is read. Its times are exact to the millisecond. */
export interface LoggedEvent extends Omit<StoredEvent, 'payload' | 'resolves'> {
  /** The parsed payload. Null after retention has dropped it. */
  readonly payload: unknown;
}

/** A logged event without its payload, which may be long. */
export type LoggedEventHeader = Omit<LoggedEvent, 'payload'>;

/** A stored conflict with the current record. */
export interface StoredConflict {
  readonly event: LoggedEvent;
  readonly current: StoredRecord | null;
  /** The event that resolved the conflict. Null for an open conflict. */
  readonly settled: { readonly resolution: Resolution; readonly event: LoggedEventHeader } | null;
}

export interface ConflictFilter extends ConflictsQuery {
  readonly tenantId: string;
  /** The approximate maximum of bytes per page. A page exceeds it only if its first entry does. */
  readonly maxBytes: number;
}

export interface Page<Entry> {
  readonly entries: readonly Entry[];
  /** The version of the last entry, where the next page goes on. Null if this page is the last one. */
  readonly next: number | null;
}

export interface HistoryQuery extends EntityRef {
  readonly tenantId: string;
  /** The version of the entry before the page; undefined for the newest entries. */
  readonly before: number | undefined;
  readonly limit: number;
  /** The approximate maximum of bytes per page. A page exceeds it only if its first entry does. */
  readonly maxBytes: number;
}

/** One event that is about an entity, or that wrote to its record. */
export interface StoredHistoryEntry {
  readonly event: LoggedEvent;
  /** The versions of the record of the entity whose history is read. */
  readonly recordBefore: number;
  readonly recordAfter: number;
  readonly resends: { readonly count: number; readonly lastAt: number | null };
  readonly resolves: StoredLink | null;
  readonly resolvedBy: StoredLink | null;
}

export interface StoredLink {
  readonly identityKey: string;
  readonly version: number;
  readonly resolution: Resolution;
}

export interface StoredReceipt {
  readonly event: LoggedEventHeader;
  readonly resolution: Resolution | null;
}

/** How often a stored event was sent again since the last call of `addResends`. */
export interface ResendCount {
  readonly tenantId: string;
  /** The version of the event. */
  readonly version: number;
  readonly count: number;
  /** Microseconds since 1970. */
  readonly lastAt: number;
}

/** Reads conflicts, histories and receipts. Each call reads the data of one tenant. */
export interface AuditStore {
  /** @throws RequestProblem UNAVAILABLE, like every method of this store */
  listConflicts(filter: ConflictFilter): Promise<Page<StoredConflict>>;
  /** Undefined if there is no such event, or if it was no conflict. */
  findConflict(tenantId: string, identityKey: string): Promise<StoredConflict | undefined>;
  /** The newest entry comes first. @throws RequestProblem INVALID_QUERY where `before` is no entry */
  readHistory(query: HistoryQuery): Promise<Page<StoredHistoryEntry>>;
  /** The receipts of the stored keys, by key. */
  findReceipts(
    tenantId: string,
    identityKeys: readonly string[],
  ): Promise<ReadonlyMap<string, StoredReceipt>>;
  /** Adds counts of several tenants. Each event must occur once at most. Unknown events are ignored. */
  addResends(counts: readonly ResendCount[]): Promise<void>;
}
