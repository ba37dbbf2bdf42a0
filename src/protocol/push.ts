import { z } from 'zod';
import { versionSchema } from '../domain/event.ts';
import { recordSchema } from './record.ts';
import { identifierSchema } from '../domain/identifier.ts';
import { storedOutcomeSchema } from '../domain/stored-event.ts';
import { timestampSchema } from '../domain/timestamp.ts';

/** The request around the events. The events are parsed each on its own: see push/decode.ts. */
export const pushEnvelopeSchema = z.strictObject({
  sentAt: timestampSchema
    .nullish()
    .catch(null)
    .describe('Client clock when this request left, stamped afresh at every send'),
  atomic: z
    .boolean()
    .nullable()
    .default(false)
    .transform((atomic) => atomic ?? false)
    .describe('True: one failure fails the batch and nothing is stored'),
  conflicts: z
    .enum(['keep', 'answer'])
    .nullable()
    .default('keep')
    .transform((conflicts) => conflicts ?? 'keep')
    .describe('`answer`: a CONFLICT is only answered, and not kept for a person to settle'),
  events: z.array(z.unknown()),
});

export type PushEnvelope = z.infer<typeof pushEnvelopeSchema>;

/** Whether a request names a `sentAt` that cannot be read: its clock is then not corrected. */
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
      message: `must be ${includable.join(' or ')}, with commas between them`,
    })
    .optional()
    .describe(
      '`results`: also one entry per event. `records`: also the record of each, whatever became of the event',
    ),
});

/** One of src/domain/errors.ts or of a kind's own table; openapi.yaml lists them all. */
export const failureCodeSchema = z.string();
const identityKeySchema = identifierSchema
  .nullable()
  .describe('null where the event had no readable key: then `index` names it');
const clientRequestIdSchema = identifierSchema
  .nullable()
  .optional()
  .describe('Where the event was sent with one in place of identityKey: the same again');
const currentOmittedSchema = z
  .literal(true)
  .optional()
  .describe(
    'In place of `current` and `differingFields`, where the answer would outgrow MAX_ANSWER_BYTES: pull, or ask for the conflict',
  );
const indexSchema = z.int().min(0).describe('Position in the request, from 0');

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
    .describe('The server has to be mended: keep the event, and count no try'),
  retryAfterMs: z.int().min(0).optional().describe('With `fault` it grows to an hour'),
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
    .describe('With IDENTITY_KEY_REUSED: what is stored under the key'),
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
    .describe('With `duplicate`: what became of the event when it first arrived'),
  code: failureCodeSchema.optional().describe('With `failed`'),
  clockAdjusted: z
    .literal(true)
    .optional()
    .describe('occurredAt lay in the future; the moment of receipt counts instead'),
  current: recordSchema
    .nullable()
    .optional()
    .describe(
      'With `superseded`, `noop` or CONFLICT: the record as it stands. With `?include=records`: always, null where there is none',
    ),
  currentOmitted: currentOmittedSchema,
});

export type EventResult = z.infer<typeof eventResultSchema>;

export const pushAnswerSchema = z.object({
  success: z.literal(true).describe('The batch was decided and committed'),
  processed: z.array(identifierSchema).describe('In request order'),
  failed: z.array(failedEventSchema).describe('In request order'),
  results: z.array(eventResultSchema).optional().describe('With `?include=results`'),
  checkpoint: z.string().describe("A pull since this position shows the batch's effects"),
  receivedAt: z.iso.datetime().describe("The database's clock"),
  sentAtIgnored: z
    .literal(true)
    .optional()
    .describe('`sentAt` could not be read, so the clock of the client was not corrected'),
});

export type PushAnswer = z.infer<typeof pushAnswerSchema>;
