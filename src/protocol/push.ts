import { z } from 'zod';
import { recordSchema } from './record.ts';
import { identifierSchema } from '../domain/identifier.ts';
import { storedOutcomeSchema, versionSchema } from '../domain/event.ts';
import { timestampSchema } from '../domain/timestamp.ts';

/** The request around the events. Each event is parsed separately: see decode-event.ts. */
export const pushEnvelopeSchema = z.strictObject({
  sentAt: timestampSchema
    .nullish()
    .catch(null)
    .describe(
      'The time by the clock of the client when it sends the request, set anew at every attempt',
    ),
  atomic: z
    .boolean()
    .nullable()
    .default(false)
    .transform((atomic) => atomic ?? false)
    .describe('True: if one event fails, the whole batch fails and nothing is stored'),
  conflicts: z
    .enum(['keep', 'answer'])
    .nullable()
    .default('keep')
    .transform((conflicts) => conflicts ?? 'keep')
    .describe('`answer`: a CONFLICT is only answered, and not stored for a person to settle'),
  events: z.array(z.unknown()),
});

export type PushEnvelope = z.infer<typeof pushEnvelopeSchema>;

/** Whether a request has a `sentAt` that cannot be read. The client's clock is then not corrected. */
export function isSentAtIgnored(body: unknown, { sentAt }: Pick<PushEnvelope, 'sentAt'>): boolean {
  if (typeof body !== 'object' || body === null || !('sentAt' in body)) return false;
  return body.sentAt !== null && (sentAt === null || sentAt === undefined);
}

const includable: readonly string[] = ['results', 'records'];

export const pushQuerySchema = z.strictObject({
  include: z
    .string()
    .transform((list) => list.split(','))
    .refine((names) => names.every((name) => includable.includes(name)), {
      message: `must be ${includable.join(' or ')}, separated by commas`,
    })
    .optional()
    .describe(
      '`results`: the answer also has one entry per event. `records`: also the record of each event, whatever its status',
    ),
});

/** A code of src/domain/errors.ts or of a kind's own table. openapi.yaml lists all codes. */
export const failureCodeSchema = z.string();
const identityKeySchema = identifierSchema
  .nullable()
  .describe('null if the event had no readable key: then `index` identifies it');
const clientRequestIdSchema = identifierSchema
  .nullable()
  .optional()
  .describe('If the event was sent with a clientRequestId in place of identityKey: the same value');
const currentOmittedSchema = z
  .literal(true)
  .optional()
  .describe(
    'Replaces `current` and `differingFields` if the answer would be larger than MAX_ANSWER_BYTES: pull, or read the conflict',
  );
const indexSchema = z.int().min(0).describe('The index in the request, from 0');

export const failedEventSchema = z.object({
  identityKey: identityKeySchema,
  clientRequestId: clientRequestIdSchema,
  index: indexSchema.optional(),
  code: failureCodeSchema,
  message: z.string(),
  retryable: z.boolean(),
  fault: z
    .literal('server')
    .optional()
    .describe('The server has to be repaired: keep the event, and do not count the attempt'),
  retryAfterMs: z.int().min(0).optional().describe('With `fault` it grows up to one hour'),
  path: z.string().optional().describe('The field at fault'),
  current: recordSchema.nullable().optional().describe('With CONFLICT: the record that won'),
  differingFields: z
    .array(z.string())
    .optional()
    .describe('With CONFLICT: the fields in which the edit and that record differ, at most 100'),
  differingFieldsOmitted: z.int().min(1).optional().describe('How many more fields differ'),
  stored: z
    .object({ version: versionSchema, outcome: storedOutcomeSchema, kind: z.string() })
    .optional()
    .describe('With IDENTITY_KEY_REUSED: the event that is stored under the key'),
  currentOmitted: currentOmittedSchema,
});

export type FailedEvent = z.infer<typeof failedEventSchema>;

export const eventResultSchema = z.object({
  identityKey: identityKeySchema,
  clientRequestId: clientRequestIdSchema,
  index: indexSchema.optional(),
  status: z.enum(['applied', 'noop', 'superseded', 'duplicate', 'failed']),
  version: versionSchema.optional().describe('The version this event took in the log'),
  original: z
    .enum(['applied', 'noop', 'superseded'])
    .optional()
    .describe('With `duplicate`: the status of the event when it first arrived'),
  code: failureCodeSchema.optional().describe('With `failed`'),
  clockAdjusted: z
    .literal(true)
    .optional()
    .describe('occurredAt was in the future; the time of receipt counts instead'),
  current: recordSchema
    .nullable()
    .optional()
    .describe(
      'With `superseded`, `noop` or CONFLICT: the record as it is now. With `?include=records`: always, null if there is none',
    ),
  currentOmitted: currentOmittedSchema,
});

export type EventResult = z.infer<typeof eventResultSchema>;

export const pushAnswerSchema = z.object({
  success: z.literal(true).describe('The batch was decided and committed'),
  processed: z.array(identifierSchema).describe('In request order'),
  failed: z.array(failedEventSchema).describe('In request order'),
  results: z.array(eventResultSchema).optional().describe('With `?include=results`'),
  checkpoint: z.string().describe('A pull since this checkpoint contains the effects of the batch'),
  receivedAt: z.iso.datetime().describe('By the clock of the database'),
  sentAtIgnored: z
    .literal(true)
    .optional()
    .describe('`sentAt` could not be read, so the clock of the client was not corrected'),
});

export type PushAnswer = z.infer<typeof pushAnswerSchema>;
