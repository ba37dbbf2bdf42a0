import { z } from 'zod';
import { identifierSchema, readIdentifier } from './identifier.ts';
import { isObject } from './json-value.ts';
import { timestampSchema } from './timestamp.ts';

/** A position in the tenant's log, 0 before the first event: JSON and JavaScript keep it exactly. */
export const versionSchema = z.int().min(0);

/** An optional member that is null is as if it were not there. */
function isAbsent(member: unknown): boolean {
  return member === undefined || member === null;
}

/** One queued action, as a client sends it. The payload is its kind's business. */
export const eventSchema = z
  .strictObject({
    identityKey: identifierSchema.describe(
      "The client's name for this action: chosen once, kept over every retry, unique per tenant",
    ),
    kind: z.string().describe('The name of a kind that this server has'),
    version: z
      .int()
      .min(1)
      .nullable()
      .default(1)
      .transform((version) => version ?? 1)
      .describe("The payload's schema version"),
    occurredAt: timestampSchema
      .nullish()
      .describe('Client clock when it happened; without it, the moment of receipt'),
    baseVersion: versionSchema
      .nullish()
      .describe('Precondition: the record version that this edit was made on; 0 for none yet'),
    baseKey: identifierSchema
      .nullish()
      .describe("Precondition: the identityKey of the client's own event this edit was made on"),
    sequence: z
      .int()
      .min(1)
      .nullish()
      .describe('1, 2, 3 … per entity, for kinds that keep an order'),
    tenant: identifierSchema
      .nullish()
      .describe('Whose tenant the event was queued for: under the token of another it fails'),
    subject: identifierSchema
      .nullish()
      .describe('Whose event it is: under the token of another subject it fails'),
    payload: z.unknown().nonoptional().describe("What the kind's schema says"),
  })
  .refine((event) => isAbsent(event.baseVersion) || isAbsent(event.baseKey), {
    path: ['baseKey'],
    message: 'give baseVersion or baseKey, not both',
  })
  .refine((event) => event.baseKey !== event.identityKey, {
    path: ['baseKey'],
    message: 'an event cannot be made on itself',
  });

export type SyncEvent = z.infer<typeof eventSchema>;

/** The key of an event in the protocol's words, where it has a readable one. */
export function readIdentityKey(event: unknown): string | null {
  return isObject(event) ? readIdentifier(event.identityKey) : null;
}
