import { z } from 'zod';
import { versionSchema } from '../domain/event.ts';
import { identifierSchema } from '../domain/identifier.ts';
import type { StoredRecord } from '../domain/record.ts';
import { formatMicros } from '../domain/timestamp.ts';

/** The current state of one entity, as answers contain it. */
export const recordSchema = z.object({
  entityType: z.string(),
  entityId: identifierSchema,
  version: versionSchema.describe('The version of the event that last changed this record'),
  deleted: z.boolean(),
  data: z
    .record(z.string(), z.unknown())
    .nullable()
    .describe('A tombstone has the last data; null if only the delete is known'),
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

export type SyncRecord = z.infer<typeof recordSchema>;

/**
 * Prints a record as answers contain it. The data is text already and is copied, so that a page of records need not
 * parse it in order to print it.
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

/** For answers that contain few records beside other members. */
export function toSyncRecord(stored: StoredRecord): SyncRecord {
  return JSON.parse(printRecord(stored));
}
