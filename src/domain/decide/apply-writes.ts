import type { RecordWrite } from '../kinds/intent.ts';
import { isSameEntity, type RecordClock } from '../record.ts';
import type { StoredEvent, KnownEvent } from '../stored-event.ts';
import type { Batch } from './batch.ts';
import type { EffectiveTime } from './effective-time.ts';
import type { DecodedEvent } from './decode-event.ts';
import { deviceTimesAfterWrite } from './device-times.ts';
import type { TenantDraft, DraftRecord } from './tenant-draft.ts';
import { type SettledWrite, settleWrite } from './last-write-wins.ts';
import { type EventOutcome, kindFailedFailure } from './outcome.ts';

/** An event that is being decided, on all that was decided before it. */
export interface DecisionContext {
  readonly draft: TenantDraft;
  readonly batch: Batch;
  readonly event: DecodedEvent;
  readonly time: EffectiveTime;
  /** Characters of JSON that a record's data may come to. */
  readonly maxRecordLength: number;
}

interface RecordUpdate {
  readonly write: RecordWrite;
  readonly record: DraftRecord | undefined;
  readonly settled: SettledWrite;
}

/** Writes, and the time at which they compete with others, in microseconds since 1970. */
export interface TimedWrites {
  readonly writes: readonly RecordWrite[];
  readonly at: number;
}

/**
 * Step 7: the event takes its version, and the records what it wrote. Where the record then holds more
 * than its sender knew of, the log says `merged`, and its sender is told `applied`.
 *
 * @param merged the kind's hook made the writes of both sides
 * @returns KIND_FAILED, with nothing changed, where a record would outgrow its bound: a kind that folds
 *   facts or patches fields has to say itself where that ends
 */
export function applyWrites(
  occurrence: DecisionContext,
  { writes, at }: TimedWrites,
  merged = false,
): EventOutcome {
  const { draft, event, time } = occurrence;
  const { identityKey } = event;
  const updates = writes.map((write): RecordUpdate => {
    const record = draft.findRecord(write);
    return { write, record, settled: settleWrite(record, write.write, [at, identityKey]) };
  });
  const outgrown = updates.find((one) => outgrows(one, occurrence.maxRecordLength));
  if (outgrown) return refuseGrowth(event, outgrown);
  const settled = outcomeOf(updates);
  const isMerged = merged || (settled !== 'superseded' && updates.some(isPartly));
  const own = updates.find(({ write }) => isSameEntity(write, event));
  const version = draft.head + 1;
  const before = (own?.record ?? draft.findRecord(event))?.version ?? 0;
  const after = own && shows(own) ? version : before;
  const known = appendEvent(occurrence, isMerged ? 'merged' : settled, before, after);
  for (const update of updates) putSettledRecord(occurrence, known, update, at);
  const status = isMerged ? 'applied' : settled;
  return { identityKey, status, event: known, clockAdjusted: time.clockAdjusted };
}

/** One that is too large already, as from before the bound was lowered, may still shrink. */
function outgrows({ record, settled }: RecordUpdate, maxLength: number): boolean {
  const length = settled.record.data?.length ?? 0;
  return length > maxLength && length > (record?.data?.length ?? 0);
}

/** The log names no entity: its id is the client's text. */
function refuseGrowth(
  { identityKey, definition }: DecodedEvent,
  { write: { entityType }, settled }: RecordUpdate,
): EventOutcome {
  const length = settled.record.data?.length;
  const fault = new Error(`a record of type ${entityType} would grow to ${length} characters`);
  return { identityKey, status: 'failed', failure: kindFailedFailure(definition.name), fault };
}

function isPartly({ settled }: RecordUpdate): boolean {
  return settled.partly === true;
}

/**
 * Whether pullers are to see the record anew. One whose tombstone was purged also where nothing
 * changed, as it stands in the feed again: at its old version nobody would purge it a second time.
 */
function shows({ record, settled }: RecordUpdate): boolean {
  return settled.changed || record?.purged === 'hidden';
}

/** The event is kept as it is, and takes a version; no record changes. */
export function appendConflict(occurrence: DecisionContext, record: DraftRecord | undefined): void {
  const version = record?.version ?? 0;
  appendEvent(occurrence, 'conflict', version, version);
}

function outcomeOf(writes: readonly RecordUpdate[]): SettledWrite['outcome'] {
  if (writes.some(({ settled }) => settled.outcome === 'applied')) return 'applied';
  return writes.some(({ settled }) => settled.outcome === 'superseded') ? 'superseded' : 'noop';
}

function appendEvent(
  { draft, batch, event, time }: DecisionContext,
  outcome: KnownEvent['outcome'],
  recordBefore: number,
  recordAfter: number,
): KnownEvent & StoredEvent {
  // Member by member: an object spread that leaves some out is the dearest step of deciding.
  return draft.append({
    version: draft.head + 1,
    identityKey: event.identityKey,
    fingerprint: event.fingerprint,
    kind: event.kind,
    kindVersion: event.kindVersion,
    entityType: event.entityType,
    entityId: event.entityId,
    outcome,
    deviceId: batch.deviceId,
    subject: batch.subject,
    occurredAt: event.occurredAt,
    effectiveAt: time.effectiveAt,
    receivedAt: draft.receivedAt,
    clockAdjusted: time.clockAdjusted,
    baseVersion: event.baseVersion,
    baseKey: event.baseKey,
    sequence: event.sequence,
    payload: event.payload,
    recordBefore,
    recordAfter,
    resolves: event.resolves,
  });
}

function putSettledRecord(
  occurrence: DecisionContext,
  known: StoredEvent,
  update: RecordUpdate,
  at: number,
): void {
  const { draft, batch, event, time } = occurrence;
  const { write, record, settled } = update;
  const { entityType, entityId } = write;
  const { receivedAt, version } = known;
  const isShown = shows(update);
  const isOwn = isSameEntity(write, event);
  const { deleted, data } = settled.record;
  const changed = {
    version,
    originKey: event.identityKey,
    originKind: event.kind,
    originDevice: batch.deviceId,
    originAt: time.effectiveAt,
    updatedAt: receivedAt,
  };
  const last = isShown || !record ? changed : record;
  const clock = clockAfterWrite(occurrence, update, at, last);
  // Also where nothing shows: the stamps decide what later events win against.
  draft.putRecord({
    entityType,
    entityId,
    version: last.version,
    deleted,
    data,
    dataVersion: draft.lifter.newestVersion(entityType),
    originKey: last.originKey,
    originKind: last.originKind,
    originDevice: last.originDevice,
    originAt: last.originAt,
    createdAt: record?.createdAt ?? receivedAt,
    updatedAt: last.updatedAt,
    clock,
    sequence: isOwn && event.definition.ordered ? event.sequence : (record?.sequence ?? null),
    ...(record?.purged && data === null && { purged: 'shown' as const }),
  });
  if (isOwn) return;
  const recordBefore = record?.version ?? 0;
  const recordAfter = isShown ? version : recordBefore;
  draft.effects.push({ entityType, entityId, version, recordBefore, recordAfter });
}

/** Facts are folded in order of arrival: no time decides between them. */
function clockAfterWrite(
  { batch: { deviceId }, event }: DecisionContext,
  { record, settled }: RecordUpdate,
  at: number,
  last: { readonly originDevice: string | null; readonly originAt: number },
): RecordClock {
  const { clock } = settled.record;
  if (event.intent.policy === 'append') return clock;
  const origin = { deviceId: last.originDevice, at: last.originAt };
  const devices = deviceTimesAfterWrite(record, { deviceId, at }, origin);
  if (devices) return { ...clock, devices };
  if (!clock.devices) return clock;
  const { devices: _past, ...rest } = clock;
  return rest;
}
