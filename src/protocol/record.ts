import { z } from 'zod';
import { versionSchema } from '../domain/event.ts';
import { identifierSchema } from '../domain/identifier.ts';
import type { StoredRecord } from '../domain/record.ts';
import { formatMicros } from '../domain/timestamp.ts';

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

export type SyncRecord = z.infer<typeof recordSchema>;

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
export function toSyncRecord(stored: StoredRecord): SyncRecord {
  return JSON.parse(printRecord(stored));
}
