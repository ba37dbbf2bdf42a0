import { kindFailedFailure } from '../errors.ts';
import type { KnownEvent, StoredEvent } from '../event.ts';
import type { RecordWrite } from '../kinds/intent.ts';
import { rulesOf } from '../kinds/policies/intent-rules.ts';
import { settleWrite } from '../kinds/policies/last-write-wins.ts';
import type { SettledWrite } from '../kinds/policies/policy.ts';
import { isSameEntity, type RecordClock } from '../record.ts';
import type { Batch, EventOutcome } from './batch.ts';
import type { DecodedEvent } from './decode-event.ts';
import { lastWriteTimesByDevice, type EffectiveTime } from './event-time.ts';
import type { DraftEvent, DraftRecord, TenantDraft } from './tenant-draft.ts';

/** An event that is being decided, and the state after all events that were decided before it. */
export interface DecisionContext {
  readonly draft: TenantDraft;
  readonly batch: Batch;
  readonly event: DecodedEvent;
  readonly time: EffectiveTime;
  /** The maximum number of characters of JSON of a record's data. */
  readonly maxRecordLength: number;
}

interface RecordUpdate {
  readonly write: RecordWrite;
  readonly record: DraftRecord | undefined;
  readonly settled: SettledWrite;
}

/** Writes, and the time at which they compete with other writes, in microseconds since 1970. */
export interface TimedWrites {
  readonly writes: readonly RecordWrite[];
  readonly at: number;
}

/**
 * Step 7 of the protocol: the event gets its version, and the records change. If the record then has more than its
 * sender wrote, the log says `merged`, and the sender is answered `applied`.
 *
 * @param merged whether the resolve hook of the kind made the writes from both sides
 * @returns KIND_FAILED, with nothing changed, if a record would outgrow its maximum. A kind that folds facts or patches
 *   fields has to limit the growth itself
 */
export function applyWrites(
  context: DecisionContext,
  { writes, at }: TimedWrites,
  merged = false,
): EventOutcome {
  const { draft, event, time } = context;
  const { identityKey } = event;
  const updates = writes.map((write): RecordUpdate => {
    const record = draft.findRecord(write);
    return { write, record, settled: settleWrite(record, write.write, [at, identityKey]) };
  });
  const outgrown = updates.find((update) => outgrows(update, context.maxRecordLength));
  if (outgrown) return refuseGrowth(event, outgrown);
  const settled = outcomeOf(updates);
  const isMerged = merged || (settled !== 'superseded' && updates.some(isPartly));
  const own = updates.find(({ write }) => isSameEntity(write, event));
  const version = draft.head + 1;
  const record = own ? own.record : draft.findRecord(event);
  const after = own && isShown(own) ? version : (record?.version ?? 0);
  const known = appendEvent(context, isMerged ? 'merged' : settled, record, after);
  for (const update of updates) putSettledRecord(context, known, update, at);
  if (!own) noteEvent(context, record, known);
  const status = isMerged ? 'applied' : settled;
  return { identityKey, status, event: known, clockAdjusted: time.clockAdjusted };
}

/** A record that is too large already, for example since the maximum was lowered, may still shrink. */
function outgrows({ record, settled }: RecordUpdate, maxLength: number): boolean {
  const length = settled.record.data?.length ?? 0;
  return length > maxLength && length > (record?.data?.length ?? 0);
}

/** The error does not name the entity: a client chose its id, and the log does not contain data of clients. */
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
 * Whether pulls have to send the record again. This includes a record whose tombstone was purged, even if it did not
 * change: it is in the feed again, and at its old version no clean-up would purge it a second time.
 */
function isShown({ record, settled }: RecordUpdate): boolean {
  return settled.changed || record?.purged === 'hidden';
}

/** Stores an event that is a conflict. It gets a version, and no record changes. */
export function appendConflict(context: DecisionContext, record: DraftRecord | undefined): void {
  const version = record?.version ?? 0;
  noteEvent(context, record, appendEvent(context, 'conflict', record, version));
}

/**
 * Leads the entity's history to an event that wrote nothing to its record. An entity without a record has no place for
 * it, and a purged record must stay out of the feed: the event is then stored like an effect.
 */
function noteEvent(
  { draft, event: { entityType, entityId } }: DecisionContext,
  record: DraftRecord | undefined,
  { version, previousVersion, recordBefore, recordAfter }: StoredEvent,
): void {
  if (record && record.purged !== 'hidden') draft.putRecord({ ...record, lastEvent: version });
  else {
    const effect = { entityType, entityId, version, previousVersion, recordBefore, recordAfter };
    draft.addEffect(effect);
  }
}

function outcomeOf(updates: readonly RecordUpdate[]): SettledWrite['outcome'] {
  if (updates.some(({ settled }) => settled.outcome === 'applied')) return 'applied';
  return updates.some(({ settled }) => settled.outcome === 'superseded') ? 'superseded' : 'noop';
}

function appendEvent(
  { draft, batch, event, time }: DecisionContext,
  outcome: KnownEvent['outcome'],
  record: DraftRecord | undefined,
  recordAfter: number,
): DraftEvent {
  const { envelope } = event;
  // The members are listed. Objects that are spread get their members one by one, which is the slowest step of deciding.
  const appended: DraftEvent = {
    occurredAt: envelope.occurredAt,
    baseVersion: envelope.baseVersion,
    baseKey: envelope.baseKey,
    sequence: envelope.sequence,
    version: draft.head + 1,
    identityKey: event.identityKey,
    keyHash: event.keyHash,
    fingerprint: event.fingerprint,
    previousVersion: record?.lastEvent ?? null,
    kind: event.kind,
    kindVersion: event.kindVersion,
    entityType: event.entityType,
    entityId: event.entityId,
    outcome,
    deviceId: batch.deviceId,
    subject: batch.subject,
    effectiveAt: time.effectiveAt,
    receivedAt: draft.receivedAt,
    clockAdjusted: time.clockAdjusted,
    payload: event.payload,
    recordBefore: record?.version ?? 0,
    recordAfter,
    resolves: event.resolves,
    previous: draft.headReference,
  };
  draft.append(appended);
  return appended;
}

function putSettledRecord(
  context: DecisionContext,
  known: StoredEvent,
  update: RecordUpdate,
  at: number,
): void {
  const { draft, batch, event, time } = context;
  const { write, record, settled } = update;
  const { entityType, entityId } = write;
  const { receivedAt, version } = known;
  const shown = isShown(update);
  const isOwn = isSameEntity(write, event);
  const { deleted, data } = settled.record;
  const change = {
    version,
    originKey: event.identityKey,
    originKind: event.kind,
    originDevice: batch.deviceId,
    originAt: time.effectiveAt,
    updatedAt: receivedAt,
  };
  const newest = shown || !record ? change : record;
  const clock = clockAfterWrite(context, update, at, newest);
  const sequence = isOwn && event.definition.ordered ? event.envelope.sequence : record?.sequence;
  // The record is stored even if nothing is shown: later events compete with its stamps.
  draft.putRecord({
    entityType,
    entityId,
    version: newest.version,
    deleted,
    data,
    dataVersion: draft.lifter.newestVersion(entityType),
    originKey: newest.originKey,
    originKind: newest.originKind,
    originDevice: newest.originDevice,
    originAt: newest.originAt,
    createdAt: record?.createdAt ?? receivedAt,
    updatedAt: newest.updatedAt,
    clock,
    sequence: sequence ?? null,
    lastEvent: version,
    ...(record?.purged && data === null && { purged: 'shown' as const }),
  });
  if (isOwn) return;
  const recordBefore = record?.version ?? 0;
  const recordAfter = shown ? version : recordBefore;
  const previousVersion = record?.lastEvent ?? null;
  draft.addEffect({
    ...{ entityType, entityId, version, previousVersion, recordBefore, recordAfter },
  });
}

function clockAfterWrite(
  { batch: { deviceId }, event }: DecisionContext,
  { record, settled }: RecordUpdate,
  at: number,
  newest: { readonly originDevice: string | null; readonly originAt: number },
): RecordClock {
  const { clock } = settled.record;
  if (!rulesOf(event.intent).remembersDevices) return clock;
  const origin = { deviceId: newest.originDevice, at: newest.originAt };
  const devices = lastWriteTimesByDevice(record, { deviceId, at }, origin);
  if (devices) return { ...clock, devices };
  if (!clock.devices) return clock;
  const { devices: _former, ...rest } = clock;
  return rest;
}
