import { z } from 'zod';
import { versionSchema } from './event.ts';
import { identifierSchema } from './text.ts';
import { formatMicros } from './time.ts';

export const entityTypeRule =
  'must be an entity type: a letter and up to 99 letters, digits and . _ - after it';

/** No comma, as filters are lists of them; no line break, as keys are made of them. */
export const entityTypeSchema = z.string().regex(/^[A-Za-z][A-Za-z0-9._-]{0,99}$/, entityTypeRule);

/** The current state of one entity, as every answer shows it. */
export const recordSchema = z.object({
  entityType: z.string(),
  entityId: identifierSchema,
  version: versionSchema.describe('The version of the event that last changed this record'),
  deleted: z.boolean(),
  data: z
    .record(z.string(), z.unknown())
    .nullable()
    .describe('A tombstone carries the last data; null where only the delete is known'),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  origin: z
    .object({
      identityKey: identifierSchema,
      kind: z.string(),
      deviceId: z.string().nullable(),
      effectiveAt: z.iso.datetime(),
    })
    .describe('The event that made this version'),
});

export type Record = z.infer<typeof recordSchema>;

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
 * The one place that knows what a record looks like in an answer. As text, as its data is text already:
 * a page of a thousand would parse it only to print it again.
 */
export function printRecord(stored: StoredRecord): string {
  const text = JSON.stringify;
  return (
    `{"entityType":${text(stored.entityType)},"entityId":${text(stored.entityId)},` +
    `"version":${stored.version},"deleted":${stored.deleted},"data":${stored.data},` +
    `"createdAt":"${formatMicros(stored.createdAt)}","updatedAt":"${formatMicros(stored.updatedAt)}",` +
    `"origin":{"identityKey":${text(stored.originKey)},"kind":${text(stored.originKind)},` +
    `"deviceId":${text(stored.originDevice)},"effectiveAt":"${formatMicros(stored.originAt)}"}}`
  );
}

/** For answers that hold few records among other things. */
export function toRecord(stored: StoredRecord): Record {
  return JSON.parse(printRecord(stored));
}
