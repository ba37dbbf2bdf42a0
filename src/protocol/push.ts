import { z } from 'zod';
import { versionSchema } from './event.ts';
import { recordSchema } from './record.ts';
import { identifierSchema } from './text.ts';
import { timestampSchema } from './time.ts';

/** The request around the events. The events are parsed each on its own: see push/decode.ts. */
export const pushEnvelopeSchema = z.strictObject({
  sentAt: timestampSchema
    .optional()
    .describe('Client clock when this request left, stamped afresh at every send'),
  atomic: z
    .boolean()
    .default(false)
    .describe('True: one failure fails the batch and nothing is stored'),
  events: z.array(z.unknown()),
});

export type PushEnvelope = z.infer<typeof pushEnvelopeSchema>;

export const pushQuerySchema = z.strictObject({
  include: z.literal('results').optional().describe('`results`: also one entry per event'),
});

/** One of src/errors.ts or of a kind's own table; openapi.yaml lists them all. */
export const failureCodeSchema = z.string();
const identityKeySchema = identifierSchema
  .nullable()
  .describe('null where the event had no readable key: then `index` names it');
const clientRequestIdSchema = identifierSchema
  .nullable()
  .optional()
  .describe('Where the event was sent with one in place of identityKey: the same again');
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
    .describe('With CONFLICT: the fields in which the edit and that record differ'),
});

export type FailedEvent = z.infer<typeof failedEventSchema>;

/**
 * What became of an event that was decided and kept. A conflict is kept too, for a person to find;
 * `merged`, which clients are told is `applied`, is one that its kind's resolution hook settled.
 */
export const storedOutcomeSchema = z.enum(['applied', 'noop', 'superseded', 'merged', 'conflict']);

export type StoredOutcome = z.infer<typeof storedOutcomeSchema>;

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
    .describe('With `superseded` or CONFLICT: the record that won'),
});

export type EventResult = z.infer<typeof eventResultSchema>;

export const pushAnswerSchema = z.object({
  success: z.literal(true).describe('The batch was decided and committed'),
  processed: z.array(identifierSchema).describe('In request order'),
  failed: z.array(failedEventSchema).describe('In request order'),
  results: z.array(eventResultSchema).optional().describe('With `?include=results`'),
  checkpoint: z.string().describe("A pull since this position shows the batch's effects"),
  receivedAt: z.iso.datetime().describe("The database's clock"),
});

export type PushAnswer = z.infer<typeof pushAnswerSchema>;
