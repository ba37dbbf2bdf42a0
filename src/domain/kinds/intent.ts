import type { JsonValue } from '../json-value.ts';
import type { EntityRef } from '../record.ts';

/** Top-level fields of a record's data. */
export type Fields = { readonly [name: string]: JsonValue };

/** A write to one record. Last write wins settles it: policies/last-write-wins.ts. */
export type Write =
  | {
      readonly policy: 'put';
      readonly fields: Fields;
      /** The payload version of the event does not know these fields: the values in the record stay. */
      readonly unknown?: readonly string[];
    }
  | { readonly policy: 'patch'; readonly fields: Fields }
  | { readonly policy: 'remove' };

/** What an event asks for, after its kind has interpreted the payload. policies/intent-rules.ts has the rules. */
export type Intent =
  | Write
  | {
      readonly policy: 'append';
      /** Returns the record's data with this fact in it. `before` is undefined if there is no record yet. */
      readonly fold: (before: Fields | undefined, context: EventContext) => Fields;
    }
  | {
      readonly policy: 'decide';
      readonly reads: readonly EntityRef[];
      readonly decide: (records: Records, context: EventContext) => Decision;
    };

/** The intent of one policy. */
export type IntentOf<Policy extends Intent['policy']> = Extract<Intent, { policy: Policy }>;

/** A write and the record that it changes. */
export interface RecordWrite extends EntityRef {
  readonly write: Write;
}

/** A live record, as the functions of a kind see it. */
export interface RecordView extends EntityRef {
  /** The version of the event that last changed it. */
  readonly version: number;
  readonly data: Fields;
  /** Milliseconds since 1970, on the server's clock. */
  readonly updatedAtMs: number;
}

/** The event for which a function of a kind is called. Times are milliseconds since 1970. */
export interface EventContext {
  readonly tenantId: string;
  readonly identityKey: string;
  readonly deviceId: string | null;
  readonly subject: string | null;
  /** When it happened, on the server's clock; never later than its receipt. */
  readonly effectiveAtMs: number;
  readonly receivedAtMs: number;
}

/** The records that an event named in the `reads` of its kind, and its own record. */
export interface Records {
  /**
   * Undefined if the record does not exist or is deleted.
   *
   * @throws Error if `reads` did not name it
   */
  find(entityType: string, entityId: string): RecordView | undefined;
}

/** Why a `decide` kind refuses an event. */
export interface Rejection {
  /** One of the kind's `failures`, NOT_OWNER or NOT_FOUND. */
  readonly code: string;
  readonly message: string;
  /** Replaces the value in the table of failures, in milliseconds. */
  readonly retryAfterMs?: number;
  /** Dotted path of the field at fault, from the event's root. */
  readonly path?: string;
}

export type Decision =
  | { readonly accepted: true; readonly writes: readonly RecordWrite[] }
  | { readonly accepted: false; readonly rejection: Rejection };
