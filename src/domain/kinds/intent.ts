import type { JsonValue } from '../json-value.ts';
import type { EntityRef } from '../record.ts';

/** Top-level fields of a record's data. */
export type Fields = { readonly [name: string]: JsonValue };

/** A write to one record, settled by last write wins in push/last-write-wins.ts. */
export type Write =
  | {
      readonly policy: 'put';
      readonly fields: Fields;
      /** Of these fields the event's payload version knows nothing: they stay where there are any. */
      readonly unknown?: readonly string[];
    }
  | { readonly policy: 'patch'; readonly fields: Fields }
  | { readonly policy: 'remove' };

/** A write and the record that it goes to. */
export interface RecordWrite extends EntityRef {
  readonly write: Write;
}

/** A live record, as a kind's own functions see it. */
export interface RecordView extends EntityRef {
  /** The version of the event that last changed it. */
  readonly version: number;
  readonly data: Fields;
  /** Milliseconds since 1970, on the server's clock. */
  readonly updatedAtMs: number;
}

/** The event that a kind's own functions are asked about. Times are milliseconds since 1970. */
export interface EventContext {
  readonly tenantId: string;
  readonly identityKey: string;
  readonly deviceId: string | null;
  readonly subject: string | null;
  /** When it happened, on the server's clock; never later than its receipt. */
  readonly effectiveAtMs: number;
  readonly receivedAtMs: number;
}

/** The records that an event named in its kind's `reads`, and the one it is about. */
export interface Records {
  /**
   * Undefined where there is no such record, or it is deleted.
   *
   * @throws Error where `reads` did not name it
   */
  find(entityType: string, entityId: string): RecordView | undefined;
}

/** Why a `decide` kind refuses an event. */
export interface Rejection {
  /** One of the kind's own `failures`, NOT_OWNER or NOT_FOUND. */
  readonly code: string;
  readonly message: string;
  /** Instead of what the table of failures says, in milliseconds. */
  readonly retryAfterMs?: number;
  /** Dotted path of the field at fault, from the event's root. */
  readonly path?: string;
}

export type Decision =
  | { readonly accepted: true; readonly writes: readonly RecordWrite[] }
  | { readonly accepted: false; readonly rejection: Rejection };

/** What an event asks for, once its kind has read the payload. */
export type Intent =
  | Write
  | {
      readonly policy: 'append';
      /** The record's data with this fact in it. Undefined: there is no record yet. */
      readonly fold: (before: Fields | undefined, context: EventContext) => Fields;
    }
  | {
      readonly policy: 'decide';
      readonly reads: readonly EntityRef[];
      readonly decide: (records: Records, context: EventContext) => Decision;
    };
