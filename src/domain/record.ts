import { z } from 'zod';

export const entityTypeRule =
  'must be an entity type: a letter and up to 99 letters, digits and . _ - after it';

/** No comma, as filters are lists of them; no line break, as keys are made of them. */
export const entityTypeSchema = z.string().regex(/^[A-Za-z][A-Za-z0-9._-]{0,99}$/, entityTypeRule);

export interface EntityRef {
  readonly entityType: string;
  readonly entityId: string;
}

/** One text per entity: no entity type and no id can hold the separator. */
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
  /** Canonical JSON of the data; null where only a delete is known. */
  readonly data: string | null;
  /** Of the entity type's data: the version in which it was written. */
  readonly dataVersion: number;
  readonly originKey: string;
  readonly originKind: string;
  readonly originDevice: string | null;
  readonly originAt: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/**
 * A time and the identityKey that breaks a tie: what last-write-wins compares. `default`: of a field whose
 * value nobody wrote, as the put did not know it.
 */
export type Stamp = readonly [effectiveAt: number, identityKey: string, value?: 'default'];

/** The stamps that decide last-write-wins for one record. Stored, never sent. */
export interface RecordClock {
  /** The newest put: the time of every field that `fields` does not name. */
  readonly put?: Stamp;
  readonly remove?: Stamp;
  /** Fields of another time than that put: patched since, or kept by a put that did not know them. */
  readonly fields?: { readonly [name: string]: Stamp };
  /**
   * When each device last wrote, in microseconds since 1970: its next write counts after that. The device of
   * `originDevice` is left out where it is `originAt`.
   */
  readonly devices?: { readonly [deviceId: string]: number };
}

/** A record as deciding needs it. */
export interface RecordState extends StoredRecord {
  readonly clock: RecordClock;
  readonly sequence: number | null;
  /**
   * Its tombstone was purged, and no put newer than its remove came since: its clock is left, and no data.
   * `shown`: a later event has put a tombstone into the feed again.
   */
  readonly purged?: 'hidden' | 'shown';
}
