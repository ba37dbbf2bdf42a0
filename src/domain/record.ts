import { z } from 'zod';

export const entityTypeRule =
  'must be an entity type: a letter and up to 99 letters, digits and . _ - after it';

/** No comma, because filters are lists of entity types; no line break, because keys are made of them. */
export const entityTypeSchema = z.string().regex(/^[A-Za-z][A-Za-z0-9._-]{0,99}$/, entityTypeRule);

export interface EntityRef {
  readonly entityType: string;
  readonly entityId: string;
}

/** One text per entity: no entity type and no id can contain the separator. */
export function entityKey({ entityType, entityId }: EntityRef): string {
  return `${entityType}\n${entityId}`;
}

export function isSameEntity(one: EntityRef, other: EntityRef): boolean {
  return one.entityId === other.entityId && one.entityType === other.entityType;
}

/** A record as it is stored. Times are microseconds since 1970. */
export interface StoredRecord extends EntityRef {
  readonly version: number;
  readonly deleted: boolean;
  /** Canonical JSON of the data; null if only a delete is known. */
  readonly data: string | null;
  /** The version of the entity type's data schema in which the data was written. */
  readonly dataVersion: number;
  readonly originKey: string;
  readonly originKind: string;
  readonly originDevice: string | null;
  readonly originAt: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** A record as deciding needs it. */
export interface RecordState extends StoredRecord {
  readonly clock: RecordClock;
  readonly sequence: number | null;
  /** The version of the last event that touched the entity; null where none is known. */
  readonly lastEvent: number | null;
  /**
   * Set if the tombstone of the record was purged and no put newer than its remove has arrived since: the clock is
   * left, and no data. `shown`: a later event has put a tombstone into the feed again.
   */
  readonly purged?: 'hidden' | 'shown';
}

/**
 * A time, and the identityKey that decides between equal times: last write wins compares stamps. `default`: the
 * field has a default value that no client wrote, because the put did not know the field.
 */
export type Stamp = readonly [effectiveAt: number, identityKey: string, value?: 'default'];

/** The stamps by which last write wins decides for one record. They are stored and never sent. */
export interface RecordClock {
  /** The newest put: the stamp of every field that `fields` does not name. */
  readonly put?: Stamp;
  readonly remove?: Stamp;
  /** Fields with a stamp of their own: patched since that put, or kept by a put that did not know them. */
  readonly fields?: { readonly [name: string]: Stamp };
  /**
   * When each device last wrote, in microseconds since 1970: the next write of the device counts as later. The device
   * in `originDevice` is left out if its time is `originAt`.
   */
  readonly devices?: { readonly [deviceId: string]: number };
}

/**
 * Whether the first of two writes of one field, or of two removes, wins: a write wins over a default, then the later
 * time wins, then the greater key in C collation.
 */
export function isAfter(a: Stamp, b: Stamp): boolean {
  if (a[2] !== b[2]) return b[2] === 'default';
  if (a[0] !== b[0]) return a[0] > b[0];
  return Buffer.compare(Buffer.from(a[1]), Buffer.from(b[1])) > 0;
}

export function isSameStamp(a: Stamp | undefined, b: Stamp | undefined): boolean {
  return a?.[0] === b?.[0] && a?.[1] === b?.[1] && a?.[2] === b?.[2];
}

/** Reads own properties only: a field may be called `constructor` or `toString`. */
export function stampOf({ fields, put }: RecordClock, name: string): Stamp | undefined {
  return fields && Object.hasOwn(fields, name) ? fields[name] : put;
}

/** The clock with these fields, and no others, having a stamp of their own. */
export function withFieldStamps(
  clock: RecordClock,
  fields: readonly (readonly [string, Stamp])[],
): RecordClock {
  if (fields.length > 0) return { ...clock, fields: Object.fromEntries(fields) };
  if (!clock.fields) return clock;
  const { fields: _replaced, ...rest } = clock;
  return rest;
}

/** A record is alive if its newest put or patch is newer than its newest remove. At equal times the remove wins. */
export function isAlive(clock: RecordClock): boolean {
  const { remove } = clock;
  if (!remove) return true;
  const writes = [clock.put, ...Object.values(clock.fields ?? {})];
  return writes.some((write) => write !== undefined && write[0] > remove[0]);
}

/** The time of the newest write that a record contains, in microseconds since 1970. */
export function newestWriteAt({ put, remove, fields = {} }: RecordClock): number {
  let newest = Math.max(
    put?.[0] ?? Number.NEGATIVE_INFINITY,
    remove?.[0] ?? Number.NEGATIVE_INFINITY,
  );
  for (const name of Object.keys(fields)) newest = Math.max(newest, fields[name]?.[0] ?? newest);
  return newest;
}
