import type { ConflictsQuery } from '../protocol/conflict.ts';
import type { StoredEvent, Resolution } from '../domain/stored-event.ts';
import type { EntityRef, StoredRecord } from '../domain/record.ts';

type AsItIsWritten = 'fingerprint' | 'payload' | 'resolves' | 'recordBefore' | 'recordAfter';

/** One row of the log, read back. Times are exact to the millisecond. */
export interface LoggedEvent extends Omit<StoredEvent, AsItIsWritten> {
  readonly fingerprint: Uint8Array;
  /** Parsed; null once it was dropped. */
  readonly payload: unknown;
  /** Of the event's own record. Null for events stored before they were kept. */
  readonly recordBefore: number | null;
  readonly recordAfter: number | null;
}

/** The same without what it carried, which may be long. */
export type LoggedEventHeader = Omit<LoggedEvent, 'payload'>;

/** A stored conflict with the record as it stands now. */
export interface StoredConflict {
  readonly event: LoggedEvent;
  readonly current: StoredRecord | null;
  /** The event that settled it; null while it is open. */
  readonly settled: { readonly resolution: Resolution; readonly event: LoggedEventHeader } | null;
}

export interface ConflictFilter extends ConflictsQuery {
  readonly tenantId: string;
  /** Of a page, about; more only where its first entry is larger. */
  readonly maxBytes: number;
}

export interface Page<Entry> {
  readonly entries: readonly Entry[];
  /** The version to go on after; null where nothing comes after this page. */
  readonly nextAfter: number | null;
}

export interface HistoryQuery extends EntityRef {
  readonly tenantId: string;
  readonly after: number;
  readonly limit: number;
  /** Of a page, about; more only where its first entry is larger. */
  readonly maxBytes: number;
}

/** One event that was about an entity, or wrote to it. */
export interface StoredHistoryEntry {
  readonly event: LoggedEvent;
  /** Of the entity whose history is read. */
  readonly recordBefore: number | null;
  readonly recordAfter: number | null;
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

/** How often a stored event was sent again, since it was last written down. */
export interface ResendCount {
  readonly tenantId: string;
  /** Of the event. */
  readonly version: number;
  readonly count: number;
  /** Microseconds since 1970. */
  readonly lastAt: number;
}

/** What people and clients look up about events of the past. Everything is of one tenant. */
export interface AuditStore {
  /** @throws RequestProblem UNAVAILABLE, as all of them */
  listConflicts(filter: ConflictFilter): Promise<Page<StoredConflict>>;
  /** Undefined where the event is not there, or was no conflict. */
  findConflict(tenantId: string, identityKey: string): Promise<StoredConflict | undefined>;
  readHistory(query: HistoryQuery): Promise<Page<StoredHistoryEntry>>;
  /** Those of the keys that are stored, by their key. */
  findReceipts(
    tenantId: string,
    identityKeys: readonly string[],
  ): Promise<ReadonlyMap<string, StoredReceipt>>;
  /** Adds to what is counted. Each event at most once; events that are gone are left out. */
  addResends(counts: readonly ResendCount[]): Promise<void>;
}
