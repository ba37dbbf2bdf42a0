import type { Fields, Write } from '../kinds/intent.ts';
import type { RecordClock, Stamp } from '../storage/store.ts';
import { canonicalJson } from '../protocol/canonical-json.ts';
import type { EffectiveTime } from './clock.ts';
import { fieldsOf } from './record-view.ts';

/** The part of a record that writes compete for. */
export interface Contended {
  readonly deleted: boolean;
  /** Canonical JSON, or null where only a delete is known. */
  readonly data: string | null;
  readonly clock: RecordClock;
}

export interface Settled {
  /** `superseded`: nothing of the write shows. `noop`: it won, and changed nothing. */
  readonly outcome: 'applied' | 'noop' | 'superseded';
  readonly record: Contended;
  /** Whether a client can see a difference, be it under a tombstone. */
  readonly changed: boolean;
  /** Some of its fields lost: the record holds newer ones beside what the write brought. */
  readonly partly?: boolean;
}

const nothing: Contended = { deleted: true, data: null, clock: {} };

/**
 * Settles one write against a record. The record reached does not depend on the order in which
 * writes arrive: each field, and the delete, keep the greatest (effectiveAt, is it a delete,
 * identityKey). A patch needs a record that was put before: see `canPatch`.
 */
export function settle(current: Contended | undefined, write: Write, stamp: Stamp): Settled {
  const before = current ?? nothing;
  switch (write.policy) {
    case 'put':
      return settlePut(before, write.fields, stamp);
    case 'patch':
      return settlePatch(before, write.fields, stamp);
    case 'remove':
      return settleRemove(current, stamp);
  }
}

/** Without a put the other fields are unknown, and a patch alone would make half a record. */
export function canPatch(current: Contended | undefined): boolean {
  return current?.clock.put !== undefined;
}

function settlePut(before: Contended, fields: Fields, stamp: Stamp): Settled {
  const { clock } = before;
  if (clock.put && isAfter(clock.put, stamp)) return lost(before);

  const patchedLater = Object.entries(clock.fields ?? {}).filter(([, at]) => isAfter(at, stamp));
  const old = patchedLater.length > 0 ? (fieldsOf(before) ?? {}) : {};
  const kept = patchedLater.map(([name]) => [name, old[name]] as const);
  const data = canonicalJson({ ...fields, ...Object.fromEntries(kept) });
  const names = Object.keys(fields);
  const overwritten = names.length > 0 && names.every((name) => kept.some(([k]) => k === name));
  const settled = finish(
    before,
    data,
    withFields({ ...clock, put: stamp }, patchedLater),
    !overwritten,
  );
  return { ...settled, partly: patchedLater.length > 0 };
}

function settlePatch(before: Contended, fields: Fields, stamp: Stamp): Settled {
  const { clock } = before;
  const won = Object.entries(fields).filter(([name]) => {
    const last = patchOf(clock, name) ?? clock.put;
    return !last || isAfter(stamp, last);
  });
  if (won.length === 0) {
    // One that names no field has nothing to lose with.
    const isEmpty = Object.keys(fields).length === 0;
    return isEmpty && !before.deleted ? { ...lost(before), outcome: 'noop' } : lost(before);
  }

  const data = canonicalJson({ ...fieldsOf(before), ...Object.fromEntries(won) });
  const stamps = Object.entries(clock.fields ?? {});
  const patched = won.map(([name]) => [name, stamp] as const);
  const settled = finish(before, data, withFields(clock, [...stamps, ...patched]), true);
  return { ...settled, partly: won.length < Object.keys(fields).length };
}

function settleRemove(current: Contended | undefined, stamp: Stamp): Settled {
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
function finish(before: Contended, data: string, clock: RecordClock, shows: boolean): Settled {
  const deleted = !isAlive(clock);
  const changed = before.data !== data || before.deleted !== deleted;
  const record = { deleted, data, clock };
  if (deleted) return { outcome: 'superseded', record, changed };
  if (changed) return { outcome: 'applied', record, changed };
  return { outcome: shows ? 'noop' : 'superseded', record, changed };
}

function lost(record: Contended): Settled {
  return { outcome: 'superseded', record, changed: false };
}

/**
 * The time of an edit that was made on the record as it stands: it happened after all that the
 * record holds, even where the clocks and the network's delays say otherwise.
 */
export function after(
  record: Contended | undefined,
  time: EffectiveTime,
  receivedAt: number,
): EffectiveTime {
  const earliest = record ? newestAt(record.clock) + 1 : time.effectiveAt;
  if (time.effectiveAt >= earliest) return time;
  return { ...time, effectiveAt: Math.min(earliest, receivedAt) };
}

/** The time of the newest write that a record holds, microseconds since 1970. */
function newestAt(clock: RecordClock): number {
  const stamps = [clock.put, clock.remove, ...Object.values(clock.fields ?? {})];
  return Math.max(...stamps.map((stamp) => stamp?.[0] ?? Number.NEGATIVE_INFINITY));
}

/** Alive: the newest put or patch is newer than the newest remove, which wins a tie of times. */
function isAlive(clock: RecordClock): boolean {
  const { remove } = clock;
  if (!remove) return true;
  const writes = [clock.put, ...Object.values(clock.fields ?? {})];
  return writes.some((write) => write !== undefined && write[0] > remove[0]);
}

/** Between two writes, or two removes: the later time, then the greater key in C collation. */
export function isAfter(a: Stamp, b: Stamp): boolean {
  if (a[0] !== b[0]) return a[0] > b[0];
  return Buffer.compare(Buffer.from(a[1]), Buffer.from(b[1])) > 0;
}

/** Own fields only: a field may be called `constructor`, or `toString`. */
function patchOf({ fields }: RecordClock, name: string): Stamp | undefined {
  return fields && Object.hasOwn(fields, name) ? fields[name] : undefined;
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
