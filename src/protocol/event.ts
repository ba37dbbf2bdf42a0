import { z } from 'zod';
import { identifierSchema } from './text.ts';
import { timestampSchema } from './time.ts';

/** A position in the tenant's log, 0 before the first event: JSON and JavaScript keep it exactly. */
export const versionSchema = z.int().min(0);

/** One queued action, as a client sends it. The payload is its kind's business. */
export const eventSchema = z
  .strictObject({
    identityKey: identifierSchema.describe(
      "The client's name for this action: chosen once, kept over every retry, unique per tenant",
    ),
    kind: z.string().describe('The name of a kind that this server has'),
    version: z.int().min(1).default(1).describe("The payload's schema version"),
    occurredAt: timestampSchema
      .optional()
      .describe('Client clock when it happened; without it, the moment of receipt'),
    baseVersion: versionSchema
      .optional()
      .describe('Precondition: the record version that this edit was made on; 0 for none yet'),
    baseKey: identifierSchema
      .optional()
      .describe("Precondition: the identityKey of the client's own event this edit was made on"),
    sequence: z
      .int()
      .min(1)
      .optional()
      .describe('1, 2, 3 … per entity, for kinds that keep an order'),
    payload: z.unknown().nonoptional().describe("What the kind's schema says"),
  })
  .refine((event) => event.baseVersion === undefined || event.baseKey === undefined, {
    path: ['baseKey'],
    message: 'give baseVersion or baseKey, not both',
  })
  .refine((event) => event.baseKey !== event.identityKey, {
    path: ['baseKey'],
    message: 'an event cannot be made on itself',
  });

export type Event = z.infer<typeof eventSchema>;
