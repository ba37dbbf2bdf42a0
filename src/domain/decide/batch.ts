import type { EventFailure } from '../errors.ts';
import { type EventReference, hashKey, type KnownEvent } from '../event.ts';
import type { Differences } from '../kinds/policies/fields.ts';
import { entitiesOf } from '../kinds/policies/intent-rules.ts';
import type { RecordState } from '../record.ts';
import type { DecodeResult } from './decode-event.ts';
import type { BatchNeeds } from './tenant-plan.ts';

/** The events of one request, and who sent them. */
export interface Batch {
  readonly tenantId: string;
  readonly deviceId: string | null;
  readonly subject: string | null;
  /** Microseconds since 1970, on the client's clock. */
  readonly sentAt: number | null;
  readonly atomic: boolean;
  /** Whether an event that fails with CONFLICT is stored for a person to settle, or only answered. */
  readonly keepsConflicts: boolean;
  /** Whether every outcome has its record, or only those whose sender must roll back. */
  readonly bringsRecords: boolean;
  /** In request order. */
  readonly events: readonly DecodeResult[];
  /** The number of characters of the payloads, as they will be stored. */
  readonly bytes: number;
  readonly needs: BatchNeeds;
}

/** Adds to a batch its size, and what must be loaded to decide it. */
export function createBatch(batch: Omit<Batch, 'bytes' | 'needs'>): Batch {
  const events = batch.events.flatMap((result) => (result.ok ? [result.event] : []));
  return {
    ...batch,
    bytes: events.reduce((sum, { payload }) => sum + payload.length, 0),
    needs: {
      tenantId: batch.tenantId,
      keyHashes: events.map(({ keyHash }) => keyHash),
      baseKeyHashes: events.flatMap(({ envelope: { baseKey } }) =>
        baseKey === null ? [] : [hashKey(baseKey)],
      ),
      entities: events.flatMap((event) => entitiesOf(event, event.intent)),
      bases: events.flatMap(({ entityType, entityId, envelope: { baseVersion } }) =>
        baseVersion ? [{ entityType, entityId, version: baseVersion }] : [],
      ),
    },
  };
}

/** The result for one event. */
export type EventOutcome = {
  readonly identityKey: string | null;
  /** The record after the batch, if the sender must know it; null if there is none. */
  readonly current?: RecordState | null;
  /** What the code of the kind threw, for the log. */
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
      /** With IDENTITY_KEY_REUSED: the event that is stored under the key. */
      readonly stored?: KnownEvent;
      /** With CONFLICT: the fields in which the edit and `current` differ. */
      readonly differingFields?: Differences;
      /** The version of the stored conflict, if this event is a resend of it. */
      readonly resendOf?: number;
    }
);

/** The version of the stored event that was sent again. Undefined for an event that is new. */
export function resentVersion(outcome: EventOutcome): number | undefined {
  if (outcome.status === 'failed') return outcome.resendOf;
  return outcome.status === 'duplicate' ? outcome.event.version : undefined;
}

/** The decision about a batch. Outcomes are in request order. */
export interface BatchDecision {
  readonly outcomes: readonly EventOutcome[];
  /** The position just before the batch's first effect, or the head if it has no effect. */
  readonly position: { readonly version: number; readonly reference: EventReference | undefined };
  readonly epoch: string;
  /** Microseconds since 1970. */
  readonly receivedAt: number;
}

/** The numbers that the log line of a push contains. */
export interface PushCounts {
  readonly received: number;
  readonly applied: number;
  readonly noop: number;
  readonly superseded: number;
  readonly duplicate: number;
  readonly failed: { readonly [code: string]: number };
}

export function countOutcomes(outcomes: readonly EventOutcome[]): PushCounts {
  const counts = { received: outcomes.length, applied: 0, noop: 0, superseded: 0, duplicate: 0 };
  // Without a prototype, because a kind may have a code named `constructor`.
  const failed: { [code: string]: number } = Object.create(null);
  for (const outcome of outcomes) {
    if (outcome.status === 'failed') {
      failed[outcome.failure.code] = (failed[outcome.failure.code] ?? 0) + 1;
    } else {
      counts[outcome.status] += 1;
    }
  }
  return { ...counts, failed: { ...failed } };
}
