import type { RecordWrite } from '../kinds/intent.ts';
import { entityKey } from '../protocol/record.ts';
import type { EventRow, KnownEvent, RecordState } from '../storage/store.ts';
import type { Batch } from './batch.ts';
import type { EffectiveTime } from './clock.ts';
import type { DecodedEvent } from './decode.ts';
import type { Draft } from './draft.ts';
import { type Settled, settle } from './last-write-wins.ts';
import type { EventOutcome } from './outcome.ts';

/** An event that is being decided, on all that was decided before it. */
export interface Occurrence {
  readonly draft: Draft;
  readonly batch: Batch;
  readonly event: DecodedEvent;
  readonly time: EffectiveTime;
}

interface SettledWrite {
  readonly write: RecordWrite;
  readonly record: RecordState | undefined;
  readonly settled: Settled;
}

/** Writes, and the time at which they compete with others, in microseconds since 1970. */
export interface Writes {
  readonly writes: readonly RecordWrite[];
  readonly at: number;
  /** There is nothing to write, as all of it lost. */
  readonly lost?: true;
}

/** Step 7: the event takes its version, and the records what it wrote. */
export function applyWrites(occurrence: Occurrence, planned: Writes): EventOutcome {
  const { status, known } = keepAll(occurrence, planned);
  return taken(occurrence, status, known);
}

/** What the kind's hook made of a conflict. The log says so, as it is more than the event brought. */
export function applyMerge(occurrence: Occurrence, planned: Writes): EventOutcome {
  const { known } = keepAll(occurrence, planned, 'merged');
  return taken(occurrence, 'applied', known);
}

function taken(
  { event, time }: Occurrence,
  status: Settled['outcome'],
  known: KnownEvent,
): EventOutcome {
  const { identityKey } = event;
  return { identityKey, status, event: known, clockAdjusted: time.clockAdjusted };
}

function keepAll(occurrence: Occurrence, { writes, at, lost }: Writes, outcome?: 'merged') {
  const { draft, event } = occurrence;
  const settledWrites = writes.map((one): SettledWrite => {
    const record = draft.findRecord(one);
    return { write: one, record, settled: settle(record, one.write, [at, event.identityKey]) };
  });
  const status = lost ? 'superseded' : outcomeOf(settledWrites);
  const own = settledWrites.find(({ write }) => isOwn(write, event));
  const version = draft.head + 1;
  const before = (own?.record ?? draft.findRecord(event))?.version ?? 0;
  const after = own?.settled.changed ? version : before;
  const known = keep(occurrence, outcome ?? status, before, after);
  for (const settledWrite of settledWrites) keepRecord(occurrence, known, settledWrite);
  return { status, known };
}

/** The event is kept as it is, and takes a version; no record changes. */
export function keepConflict(occurrence: Occurrence, record: RecordState | undefined): void {
  const version = record?.version ?? 0;
  keep(occurrence, 'conflict', version, version);
}

function outcomeOf(writes: readonly SettledWrite[]): Settled['outcome'] {
  const outcomes = new Set(writes.map(({ settled }) => settled.outcome));
  if (outcomes.has('applied')) return 'applied';
  return outcomes.has('superseded') ? 'superseded' : 'noop';
}

function keep(
  { draft, batch, event, time }: Occurrence,
  outcome: KnownEvent['outcome'],
  recordBefore: number,
  recordAfter: number,
): KnownEvent & EventRow {
  const { definition: _kind, intent: _intent, resolve: _hook, ...row } = event;
  return draft.append({
    ...row,
    ...time,
    outcome,
    deviceId: batch.deviceId,
    subject: batch.subject,
    recordBefore,
    recordAfter,
  });
}

function keepRecord(
  { draft, batch, event, time }: Occurrence,
  known: EventRow,
  { write, record, settled }: SettledWrite,
): void {
  const { receivedAt, version } = known;
  const changed = {
    version,
    originKey: event.identityKey,
    originKind: event.kind,
    originDevice: batch.deviceId,
    originAt: time.effectiveAt,
    updatedAt: receivedAt,
  };
  const { entityType, entityId } = write;
  const fresh = { entityType, entityId, createdAt: receivedAt, sequence: null, ...changed };
  const kept = record ? broughtBack(record) : fresh;
  const takesNumber = event.definition.ordered && isOwn(write, event);
  // Also where nothing shows: the stamps decide what later events win against.
  draft.putRecord({
    ...kept,
    ...settled.record,
    ...(settled.changed && changed),
    ...(takesNumber && { sequence: event.sequence }),
  });
  if (isOwn(write, event)) return;
  const recordBefore = record?.version ?? 0;
  const recordAfter = settled.changed ? version : recordBefore;
  draft.effects.push({ entityType, entityId, version, recordBefore, recordAfter });
}

/** Whatever is written is a record again. */
function broughtBack({ purged: _gone, ...record }: RecordState): RecordState {
  return record;
}

function isOwn(write: RecordWrite, event: DecodedEvent): boolean {
  return entityKey(write) === entityKey(event);
}
