import { type EventFailure, eventFailures, type FailureEntry } from '../errors.ts';
import { assertFields, assertNotPromise, assertWrite } from '../kinds/check-output.ts';
import type { KindFailures } from '../kinds/define-kind.ts';
import type { EventContext, Intent, RecordWrite, Rejection } from '../kinds/intent.ts';
import { entityKey, type EntityRef } from '../record.ts';
import type { DecisionContext, TimedWrites } from './apply-writes.ts';
import type { DecodedEvent } from './decode-event.ts';
import type { TenantDraft, DraftRecord } from './tenant-draft.ts';
import { entitiesOf } from './entities-of-event.ts';
import { afterNewestWrite, canPatch } from './last-write-wins.ts';
import { kindFailedFailure } from './outcome.ts';
import { toRecordView } from './record-view.ts';

/** What an event will write, and the time at which these writes compete with others. */
export type PlannedWrites = Planned | Refused;

interface Planned extends TimedWrites {
  readonly ok: true;
}

interface Refused {
  readonly ok: false;
  readonly failure: EventFailure;
  /** What the kind's own code threw. */
  readonly fault?: unknown;
}

/**
 * Step 6: from what an event asks for to writes. Last write wins competes by when it happened;
 * `append` and `decide` build on the record as it stands, so theirs is the time of receipt.
 */
export function planWrites(
  occurrence: DecisionContext,
  record: DraftRecord | undefined,
): PlannedWrites {
  const { draft, event, time } = occurrence;
  const { intent } = event;
  switch (intent.policy) {
    case 'discard':
      return { ok: true, writes: [], at: draft.receivedAt };
    case 'append':
      return guard(event, () => {
        const fields = assertFields(intent.fold(toRecordView(record)?.data, contextOf(occurrence)));
        return onArrival(draft, [ownWrite(event, { policy: 'put', fields })]);
      });
    case 'decide':
      return guard(event, () => planDecision(occurrence, intent));
    default:
      if (intent.policy === 'patch' && waitsForPut(occurrence, record)) return notFound(event);
      return { ok: true, writes: [ownWrite(event, intent)], at: time.effectiveAt };
  }
}

/** What the kind's hook makes of a conflict; undefined where it has none, or leaves it to a person. */
export function planMerge(
  occurrence: DecisionContext,
  record: DraftRecord | undefined,
): PlannedWrites | undefined {
  const { draft, event, time } = occurrence;
  const current = toRecordView(record);
  if (!event.resolve || !current) return undefined;
  try {
    const merged = event.resolve(current, contextOf(occurrence));
    if (merged === undefined) return undefined;
    const fields = assertFields(merged);
    const at = afterNewestWrite(record, time, draft.receivedAt).effectiveAt;
    return { ok: true, writes: [ownWrite(event, { policy: 'put', fields })], at };
  } catch (fault) {
    return kindFailed(event, fault);
  }
}

type DecideIntent = Extract<Intent, { policy: 'decide' }>;

function planDecision(occurrence: DecisionContext, intent: DecideIntent): PlannedWrites {
  const { draft, event } = occurrence;
  const named = new Set(entitiesOf(event, intent).map(entityKey));
  const find = (entityType: string, entityId: string) => {
    const ref = { entityType, entityId };
    mustBeNamed(named, ref);
    return toRecordView(draft.findRecord(ref));
  };
  const decision = assertNotPromise(intent.decide({ find }, contextOf(occurrence)));
  if (!decision.accepted) return { ok: false, failure: toFailure(event, decision.rejection) };

  const written = new Set<string>();
  for (const { write, ...ref } of assertNotPromise(decision.writes)) {
    mustBeNamed(named, ref);
    if (written.has(entityKey(ref))) throw new Error(`${entityName(ref)} is written twice`);
    written.add(entityKey(ref));
    assertWrite(write);
    if (write.policy === 'patch' && !toRecordView(draft.findRecord(ref))) {
      throw new Error(`${entityName(ref)} is patched, but is not there`);
    }
  }
  if (event.definition.ordered && !written.has(entityKey(event))) {
    throw new Error('does not write its own record, which keeps its sequence');
  }
  return onArrival(draft, decision.writes);
}

/** Of Landfall's own codes those that only a kind can know. */
const sharedCodes = ['NOT_OWNER', 'NOT_FOUND'] as const;

function toFailure({ definition }: DecodedEvent, rejection: Rejection): EventFailure {
  const { code, message, path, retryAfterMs: wait } = rejection;
  const entry = failureEntry(definition.failures, code);
  if (!entry) throw new Error(`rejects with ${code}, which is not among its failures`);
  if (wait !== undefined && !(Number.isSafeInteger(wait) && wait >= 0)) {
    throw new Error(`rejects with ${code}, to be sent again after ${wait} ms`);
  }
  const retryAfterMs = wait ?? entry.retryAfterMs;
  return {
    code,
    message,
    retryable: entry.retryable,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(path !== undefined && { path }),
  };
}

function failureEntry(own: KindFailures, code: string): FailureEntry | undefined {
  for (const shared of sharedCodes) if (shared === code) return eventFailures[shared];
  return Object.hasOwn(own, code) ? own[code] : undefined;
}

function mustBeNamed(named: ReadonlySet<string>, ref: EntityRef): void {
  if (!named.has(entityKey(ref))) throw new Error(`reads does not name ${entityName(ref)}`);
}

function entityName({ entityType, entityId }: EntityRef): string {
  return `${entityType} ${JSON.stringify(entityId)}`;
}

/** A kind is somebody else's code: where it throws, that event fails, and not its batch. */
function guard(event: DecodedEvent, plan: () => PlannedWrites): PlannedWrites {
  try {
    return plan();
  } catch (fault) {
    return kindFailed(event, fault);
  }
}

function kindFailed({ definition }: DecodedEvent, fault: unknown): Refused {
  return { ok: false, failure: kindFailedFailure(definition.name), fault };
}

/**
 * A patch of what nobody put waits for the create. But where data was purged there was a put, and a
 * patch from before its delete has lost for good: to wait would block its queue for ever.
 */
function waitsForPut({ time }: DecisionContext, record: DraftRecord | undefined): boolean {
  if (canPatch(record)) return false;
  const removedAt = record?.purged && record.clock.put && record.clock.remove?.[0];
  return removedAt === undefined || time.effectiveAt > removedAt;
}

function notFound({ entityType }: DecodedEvent): Refused {
  const message = `this ${entityType} has not been created yet`;
  return { ok: false, failure: { code: 'NOT_FOUND', message } };
}

function ownWrite(
  { entityType, entityId }: DecodedEvent,
  write: RecordWrite['write'],
): RecordWrite {
  return { entityType, entityId, write };
}

function onArrival({ receivedAt }: TenantDraft, writes: readonly RecordWrite[]): Planned {
  return { ok: true, writes, at: receivedAt };
}

function contextOf({ draft, batch, event, time }: DecisionContext): EventContext {
  return {
    tenantId: batch.tenantId,
    identityKey: event.identityKey,
    deviceId: batch.deviceId,
    subject: batch.subject,
    effectiveAtMs: Math.floor(time.effectiveAt / 1000),
    receivedAtMs: Math.floor(draft.receivedAt / 1000),
  };
}
