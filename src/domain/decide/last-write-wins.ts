import type { Fields, Write } from '../kinds/intent.ts';
import type { JsonValue } from '../json-value.ts';
import type { RecordClock, Stamp } from '../record.ts';
import type { EffectiveTime } from './effective-time.ts';
import { RecordData } from './record-data.ts';

/** The part of a record that writes compete for. */
export interface RecordContent {
  readonly deleted: boolean;
  /** Null where only a delete is known, or the data was purged. */
  readonly data: RecordData | null;
  readonly clock: RecordClock;
}

export interface SettledWrite {
  /** `superseded`: nothing of the write shows. `noop`: it won, and changed nothing. */
  readonly outcome: 'applied' | 'noop' | 'superseded';
  readonly record: RecordContent;
  /** Whether a client can see a difference, be it under a tombstone. */
  readonly changed: boolean;
  /** Some of its fields lost: the record holds others beside what the write brought. */
  readonly partly?: boolean;
}

const nothing: RecordContent = { deleted: true, data: null, clock: {} };

/**
 * Settles one write against a record. The record reached does not depend on the order in which
 * writes arrive: each field, and the delete, keep the greatest (effectiveAt, is it a delete,
 * identityKey). A patch needs a record that was put before, and loses without: see `canPatch`.
 */
export function settleWrite(
  current: RecordContent | undefined,
  write: Write,
  stamp: Stamp,
): SettledWrite {
  const before = current ?? nothing;
  switch (write.policy) {
    case 'put':
      if (isPurged(before) && !isAfterRemove(before.clock, stamp))
        return lostInPurge(before, stamp);
      return settlePut(before, write, stamp);
    case 'patch':
      if (!canPatch(before)) return lost(before);
      return settlePatch(before, write.fields, stamp);
    case 'remove':
      return settleRemove(current, stamp);
  }
}

/** Without a put, or after a purge, the other fields are unknown, and a patch would make half a record. */
export function canPatch(current: RecordContent | undefined): boolean {
  return current?.clock.put !== undefined && current.data !== null;
}

/** There was data, and it was purged with its tombstone. */
function isPurged({ data, clock }: RecordContent): boolean {
  return data === null && clock.put !== undefined;
}

function isAfterRemove({ remove }: RecordClock, stamp: Stamp): boolean {
  return remove === undefined || stamp[0] > remove[0];
}

/** Its data is not kept, as what it competes with is gone; that it was the newest put is. */
function lostInPurge(before: RecordContent, stamp: Stamp): SettledWrite {
  const { clock } = before;
  const isNewest = clock.put !== undefined && isAfter(stamp, clock.put);
  return lost(isNewest ? { ...before, clock: { ...clock, put: stamp } } : before);
}

function settlePut(
  before: RecordContent,
  put: Extract<Write, { policy: 'put' }>,
  stamp: Stamp,
): SettledWrite {
  const { clock } = before;
  const { fields, unknown = [] } = put;
  if (unknown.length > 0 || mustAskEachField(clock, stamp)) {
    return settleFields(before, fields, new Set(unknown), stamp);
  }
  if (clock.put && isAfter(clock.put, stamp)) return lost(before);
  const data = RecordData.ofFields(fields);
  return finish(before, data, !data.equals(before.data), withFields({ ...clock, put: stamp }, []));
}

/** Whether some field does not simply go to the newer of two puts. */
function mustAskEachField({ put, fields }: RecordClock, stamp: Stamp): boolean {
  if (!fields) return false;
  const isLate = put !== undefined && isAfter(put, stamp);
  return Object.values(fields).some((at) => isLate !== isAfter(at, stamp));
}

/**
 * A put where some fields have a time of their own: each field goes to its newest write. A put says of
 * every field what it is, or that it is gone, but for those that its payload version does not know: of these
 * it has a default, which any write wins against.
 */
function settleFields(
  before: RecordContent,
  fields: Fields,
  unknown: ReadonlySet<string>,
  stamp: Stamp,
): SettledWrite {
  const { clock } = before;
  const old = before.data?.fields ?? {};
  const isNewest = !clock.put || isAfter(stamp, clock.put);
  const put = isNewest ? stamp : clock.put;
  const data = new Map<string, JsonValue>();
  const stamps = new Map<string, Stamp>();
  const names = [old, fields, clock.fields ?? {}].flatMap((some) => Object.keys(some));
  let shows = isNewest && Object.keys(fields).length === 0;
  let partly = false;
  for (const name of new Set([...names, ...unknown])) {
    const at: Stamp = unknown.has(name) ? [stamp[0], stamp[1], 'default'] : stamp;
    const last = stampOf(clock, name);
    const wins = !last || isAfter(at, last);
    // After a purge the value is gone that won against a default.
    const source = wins || before.data === null ? fields : old;
    if (Object.hasOwn(source, name)) data.set(name, source[name] as JsonValue);
    shows ||= wins && Object.hasOwn(fields, name);
    partly ||= !wins && !unknown.has(name);
    const newest = wins ? at : last;
    if (!isSameStamp(newest, put)) stamps.set(name, newest);
  }
  const next = RecordData.ofFields(Object.fromEntries(data));
  const nextClock = withFields({ ...clock, put }, [...stamps]);
  return { ...finish(before, next, !next.equals(before.data), nextClock, shows), partly };
}

function settlePatch(before: RecordContent, fields: Fields, stamp: Stamp): SettledWrite {
  const { clock } = before;
  const won = Object.entries(fields).filter(([name]) => {
    const last = stampOf(clock, name);
    return !last || isAfter(stamp, last);
  });
  if (won.length === 0) {
    // One that names no field has nothing to lose with.
    const isEmpty = Object.keys(fields).length === 0;
    return isEmpty && !before.deleted ? { ...lost(before), outcome: 'noop' } : lost(before);
  }

  const data = (before.data ?? RecordData.ofFields({})).with(won);
  const patched = Object.fromEntries(won.map(([name]) => [name, stamp] as const));
  const isChanged = data !== before.data;
  const nextClock = { ...clock, fields: { ...clock.fields, ...patched } };
  const settled = finish(before, data, isChanged, nextClock);
  return { ...settled, partly: won.length < Object.keys(fields).length };
}

function settleRemove(current: RecordContent | undefined, stamp: Stamp): SettledWrite {
  if (!current) {
    return {
      outcome: 'applied',
      record: { ...nothing, clock: { remove: stamp } },
      changed: true,
    };
  }
  const { clock } = current;
  if (clock.remove && isAfter(clock.remove, stamp)) return lost(current);
  const record = { ...current, deleted: true, clock: { ...clock, remove: stamp } };
  if (isAlive(record.clock)) return lost(current);
  const changed = !current.deleted;
  return { outcome: changed ? 'applied' : 'noop', record, changed };
}

/** @param shows whether something of the write is left in the data */
function finish(
  before: RecordContent,
  data: RecordData,
  isDataChanged: boolean,
  clock: RecordClock,
  shows = true,
): SettledWrite {
  const deleted = !isAlive(clock);
  const changed = isDataChanged || before.deleted !== deleted;
  const record = { deleted, data, clock };
  if (deleted) return { outcome: 'superseded', record, changed };
  if (changed) return { outcome: 'applied', record, changed };
  return { outcome: shows ? 'noop' : 'superseded', record, changed };
}

function lost(record: RecordContent): SettledWrite {
  return { outcome: 'superseded', record, changed: false };
}

/**
 * The time of an edit that was made on the record as it stands: it happened after all that the
 * record holds, even where the clocks and the network's delays say otherwise.
 */
export function afterNewestWrite(
  record: RecordContent | undefined,
  time: EffectiveTime,
  receivedAt: number,
): EffectiveTime {
  const earliest = record ? newestAt(record.clock) + 1 : time.effectiveAt;
  if (time.effectiveAt >= earliest) return time;
  return { ...time, effectiveAt: Math.min(earliest, receivedAt) };
}

/** The time of the newest write that a record holds, microseconds since 1970. */
function newestAt({ put, remove, fields = {} }: RecordClock): number {
  let newest = Math.max(
    put?.[0] ?? Number.NEGATIVE_INFINITY,
    remove?.[0] ?? Number.NEGATIVE_INFINITY,
  );
  for (const name of Object.keys(fields)) newest = Math.max(newest, fields[name]?.[0] ?? newest);
  return newest;
}

/** Alive: the newest put or patch is newer than the newest remove, which wins a tie of times. */
function isAlive(clock: RecordClock): boolean {
  const { remove } = clock;
  if (!remove) return true;
  const writes = [clock.put, ...Object.values(clock.fields ?? {})];
  return writes.some((write) => write !== undefined && write[0] > remove[0]);
}

/**
 * Between two writes of one field, or two removes: a write before a default, then the later time, then the
 * greater key in C collation.
 */
export function isAfter(a: Stamp, b: Stamp): boolean {
  if (a[2] !== b[2]) return b[2] === 'default';
  if (a[0] !== b[0]) return a[0] > b[0];
  return Buffer.compare(Buffer.from(a[1]), Buffer.from(b[1])) > 0;
}

function isSameStamp(a: Stamp | undefined, b: Stamp | undefined): boolean {
  return a?.[0] === b?.[0] && a?.[1] === b?.[1] && a?.[2] === b?.[2];
}

/** Own fields only: a field may be called `constructor`, or `toString`. */
function stampOf({ fields, put }: RecordClock, name: string): Stamp | undefined {
  return fields && Object.hasOwn(fields, name) ? fields[name] : put;
}

function withFields(
  clock: RecordClock,
  fields: readonly (readonly [string, Stamp])[],
): RecordClock {
  if (fields.length > 0) return { ...clock, fields: Object.fromEntries(fields) };
  if (!clock.fields) return clock;
  const { fields: _replaced, ...rest } = clock;
  return rest;
}
