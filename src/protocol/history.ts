import { z } from 'zod';
import { resolutionSchema, storedOutcomeSchema } from '../domain/stored-event.ts';
import { versionSchema } from '../domain/event.ts';
import { afterSchema, listLimitSchema, nextAfterSchema } from './page.ts';
import { identifierSchema } from '../domain/identifier.ts';

/** Another event of the log, and how the conflict between the two was settled. */
export const resolutionLinkSchema = z.object({
  identityKey: identifierSchema,
  version: versionSchema,
  resolution: resolutionSchema,
});

export type ResolutionLink = z.infer<typeof resolutionLinkSchema>;

/** One event in the audit trail of an entity. */
export const historyEntrySchema = z.object({
  identityKey: identifierSchema,
  version: versionSchema.describe('The version that the event took in the log'),
  kind: z.string(),
  kindVersion: z.int().min(1).describe("The payload's version"),
  entityType: z.string().describe('What the event itself is about: it may have written others too'),
  entityId: identifierSchema,
  outcome: storedOutcomeSchema,
  occurredAt: z.iso.datetime().nullable().describe("The client's clock, as it was sent"),
  effectiveAt: z.iso.datetime().describe("When it happened, on the server's clock"),
  receivedAt: z.iso.datetime().describe('When it was first accepted'),
  clockAdjusted: z.boolean().describe('occurredAt lay in the future; the receipt counts instead'),
  deviceId: z.string().nullable(),
  subject: z.string().nullable().describe('Who, by the `sub` of the token'),
  baseVersion: versionSchema.nullable(),
  baseKey: identifierSchema.nullable(),
  sequence: z.int().min(1).nullable(),
  payload: z.unknown().describe('As it was sent; null once EVENT_RETENTION has passed'),
  recordBefore: versionSchema
    .nullable()
    .describe("The version of this entity's record before the event; 0: there was none"),
  recordAfter: versionSchema
    .nullable()
    .describe('… and after it. Both are null for events stored before they were kept'),
  replays: z
    .object({ count: z.int().min(0), lastAt: z.iso.datetime().nullable() })
    .describe('How often the event was sent again; written within about a second'),
  resolves: resolutionLinkSchema.nullable().describe('The conflict that this event settled'),
  resolvedBy: resolutionLinkSchema.nullable().describe('The event that settled this conflict'),
});

export type HistoryEntry = z.infer<typeof historyEntrySchema>;

export const historyQuerySchema = z.strictObject({ after: afterSchema, limit: listLimitSchema });

export const historyAnswerSchema = z.object({
  events: z.array(historyEntrySchema).describe('In version order; empty for an unknown entity'),
  nextAfter: nextAfterSchema,
});

export type HistoryAnswer = z.infer<typeof historyAnswerSchema>;
