import { z } from 'zod';
import { afterSchema, listLimitSchema, nextAfterSchema } from './page.ts';
import { recordSchema } from './record.ts';
import { identifierSchema } from '../domain/identifier.ts';
import { resolutionSchema, versionSchema } from '../domain/event.ts';

/** A member that is null is treated as if it were not sent. */
const absentSchema = z
  .null()
  .transform(() => undefined)
  .optional();

/** How a person settles a conflict. `merge` has the data to apply; the others have no data. */
export const resolutionRequestSchema = z.discriminatedUnion('resolution', [
  z.strictObject({ resolution: z.literal('discard'), payload: absentSchema }),
  z.strictObject({ resolution: z.literal('force'), payload: absentSchema }),
  z.strictObject({
    resolution: z.literal('merge'),
    payload: z
      .unknown()
      .nonoptional('a merge needs a payload')
      .describe("The merged data, as a payload of the event's own kind in its newest version"),
  }),
]);

export type ResolutionRequest = z.infer<typeof resolutionRequestSchema>;

/** How a conflict was settled, and the event in the log that settled it. */
export const settledConflictSchema = z.object({
  resolution: resolutionSchema,
  version: versionSchema.describe('The version that the resolution took in the log'),
  resolvedAt: z.iso.datetime(),
  deviceId: z.string().nullable(),
  subject: z.string().nullable().describe('The `sub` of the token'),
});

/** One event whose record had changed since the version it was made on, with both sides. */
export const conflictSchema = z.object({
  identityKey: identifierSchema,
  version: versionSchema.describe('The version that the conflict took in the log'),
  entityType: z.string(),
  entityId: identifierSchema,
  kind: z.string(),
  kindVersion: z.int().min(1).describe("The payload's version"),
  baseVersion: versionSchema
    .nullable()
    .describe('The version that the edit was made on; null if it stated none'),
  baseKey: identifierSchema.nullable(),
  incoming: z
    .object({
      payload: z.unknown().describe('As the client sent it'),
      data: z
        .record(z.string(), z.unknown())
        .nullable()
        .describe(
          'The fields it would have written; null if it names none, as a delete does, or if the server no longer has its kind',
        ),
      effectiveAt: z.iso.datetime(),
      receivedAt: z.iso.datetime(),
      deviceId: z.string().nullable(),
      subject: z.string().nullable(),
    })
    .describe('The edit that was refused'),
  current: recordSchema.nullable().describe('The record as it is now'),
  differingFields: z.array(z.string()).describe('The fields in which the two differ, at most 100'),
  differingFieldsOmitted: z.int().min(1).optional().describe('How many more fields differ'),
  resolved: settledConflictSchema.nullable().describe('null while the conflict is open'),
});

export type Conflict = z.infer<typeof conflictSchema>;

/** The part of a conflict for a token that may settle conflicts and may not read records. */
export const settlementSchema = conflictSchema.pick({
  identityKey: true,
  version: true,
  resolved: true,
});

export const resolutionAnswerSchema = z
  .union([conflictSchema, settlementSchema])
  .describe(
    'The conflict; for a token without `sync:pull` only its key, its version and `resolved`',
  );

export type ResolutionAnswer = z.infer<typeof resolutionAnswerSchema>;

export const conflictsQuerySchema = z.strictObject({
  state: z.enum(['open', 'resolved', 'all']).default('open'),
  entityType: identifierSchema.optional().describe('Only conflicts of this entity type'),
  entityId: identifierSchema.optional().describe('Only conflicts of this entity'),
  after: afterSchema,
  limit: listLimitSchema,
});

export type ConflictsQuery = z.infer<typeof conflictsQuerySchema>;

export const conflictsAnswerSchema = z.object({
  conflicts: z.array(conflictSchema).describe('In version order'),
  nextAfter: nextAfterSchema,
});

export type ConflictsAnswer = z.infer<typeof conflictsAnswerSchema>;
