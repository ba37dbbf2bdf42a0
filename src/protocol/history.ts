import { z } from 'zod';
import {
  type Envelope,
  resolutionSchema,
  storedOutcomeSchema,
  versionSchema,
} from '../domain/event.ts';
import { identifierSchema } from '../domain/identifier.ts';
import { beforeSchema, listLimitSchema, nextBeforeSchema } from './page.ts';

/** Another event of the log, and how the conflict between the two events was settled. */
export const resolutionReferenceSchema = z.object({
  identityKey: identifierSchema,
  version: versionSchema,
  resolution: resolutionSchema,
});

/** The optional fields of the event. The compiler requires every one. */
const envelopeMembers = {
  occurredAt: z.iso.datetime().nullable().describe('By the clock of the client, as it was sent'),
  baseVersion: versionSchema.nullable(),
  baseKey: identifierSchema.nullable(),
  sequence: z.int().min(1).nullable(),
} satisfies { readonly [Name in keyof Envelope]: z.ZodType };

/** One event in the audit trail of an entity. */
export const historyEntrySchema = z.object({
  identityKey: identifierSchema,
  version: versionSchema.describe('The version that the event took in the log'),
  kind: z.string(),
  kindVersion: z.int().min(1).describe("The payload's version"),
  entityType: z
    .string()
    .describe('The entity of the event itself, which may have written other records too'),
  entityId: identifierSchema,
  outcome: storedOutcomeSchema,
  ...envelopeMembers,
  effectiveAt: z.iso.datetime().describe("When it happened, on the server's clock"),
  receivedAt: z.iso.datetime().describe('When it was first accepted'),
  clockAdjusted: z
    .boolean()
    .describe('occurredAt was in the future; the time of receipt counts instead'),
  deviceId: z.string().nullable(),
  subject: z.string().nullable().describe('The `sub` of the token'),
  payload: z.unknown().describe('As it was sent; null after EVENT_RETENTION'),
  recordBefore: versionSchema.describe(
    "The version of this entity's record before the event; 0 if there was none",
  ),
  recordAfter: versionSchema.describe('The version after the event'),
  resends: z
    .object({ count: z.int().min(0), lastAt: z.iso.datetime().nullable() })
    .describe('How often the event was sent again; written within about a second'),
  resolves: resolutionReferenceSchema.nullable().describe('The conflict that this event settled'),
  resolvedBy: resolutionReferenceSchema.nullable().describe('The event that settled this conflict'),
});

export type HistoryEntry = z.infer<typeof historyEntrySchema>;

export const historyQuerySchema = z.strictObject({ before: beforeSchema, limit: listLimitSchema });

export const historyAnswerSchema = z.object({
  events: z.array(historyEntrySchema).describe('The newest first; empty for an unknown entity'),
  nextBefore: nextBeforeSchema,
});

export type HistoryAnswer = z.infer<typeof historyAnswerSchema>;
