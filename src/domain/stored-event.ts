import { z } from 'zod';
import type { EntityRef } from './record.ts';

/**
 * What became of an event that was decided and kept. A conflict is kept too, for a person to find;
 * `merged`, which clients are told is `applied`, is one that its kind's resolution hook settled.
 */
export const storedOutcomeSchema = z.enum(['applied', 'noop', 'superseded', 'merged', 'conflict']);

export type StoredOutcome = z.infer<typeof storedOutcomeSchema>;

/**
 * What a person does with a conflict. `discard`: the record stays as it is. `force`: the edit is
 * applied again on top of today's record. `merge`: what the request holds is applied instead.
 */
export const resolutionSchema = z.enum(['discard', 'force', 'merge']);

export type Resolution = z.infer<typeof resolutionSchema>;

/** One row of the log. Times are microseconds since 1970, as everywhere this side of the SQL. */
export interface StoredEvent {
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
export interface StoredEffect extends EntityRef {
  /** Of the event. */
  readonly version: number;
  readonly recordBefore: number;
  readonly recordAfter: number;
}

/** What proves that an event still stands at its version. */
export interface EventReference {
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
  readonly previous: EventReference | undefined;
}

/** A version of a tenant's log that an edit of an entity names as its base. */
export interface EventBase extends EntityRef {
  readonly version: number;
}
