import type { BuiltInFailure, EventFailure } from '../errors.ts';
import type { Differences } from '../kinds/differing-fields.ts';
import type { EventReference, KnownEvent } from '../stored-event.ts';
import type { RecordState } from '../record.ts';

/** What became of one event. */
export type EventOutcome = {
  readonly identityKey: string | null;
  /** The record as it stands after the batch, where its sender must know it; null where there is none. */
  readonly current?: RecordState | null;
  /** What the kind's own code threw, for the log. */
  readonly fault?: unknown;
} & (
  | {
      readonly status: 'applied' | 'noop' | 'superseded' | 'duplicate';
      readonly event: KnownEvent;
      readonly clockAdjusted: boolean;
    }
  | {
      readonly status: 'failed';
      readonly failure: EventFailure;
      /** With IDENTITY_KEY_REUSED: what is stored under the key. */
      readonly stored?: KnownEvent;
      /** With CONFLICT: the fields in which the edit and `current` differ. */
      readonly differingFields?: Differences;
      /** The version of the stored conflict that this event met again. */
      readonly replayOf?: number;
    }
);

/** A kind is somebody else's code: what goes wrong in it fails one event, and is told to the operator. */
export function kindFailedFailure(kind: string): EventFailure {
  return { code: 'KIND_FAILED', message: `${kind} failed on this event`, failing: kind };
}

/** For an event that waits for one that failed: whether that is for the server, and for which kind. */
export function failingKindOf(failure: EventFailure): Pick<BuiltInFailure, 'failing'> {
  const failing = 'failing' in failure ? failure.failing : undefined;
  return failing === undefined ? {} : { failing };
}

/** What a batch's sender is told, in request order. */
export interface BatchDecision {
  readonly outcomes: readonly EventOutcome[];
  /** The position just before the batch's first effect, or the head where it has none. */
  readonly position: { readonly version: number; readonly reference: EventReference | undefined };
  readonly epoch: string;
  /** Microseconds since 1970. */
  readonly receivedAt: number;
}
