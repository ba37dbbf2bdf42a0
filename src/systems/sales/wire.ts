import { z } from 'zod';
import { eventSchema } from '../../domain/event.ts';
import {
  eventResultSchema,
  failedEventSchema,
  pushAnswerSchema,
  pushEnvelopeSchema,
} from '../../protocol/push.ts';
import { identifierSchema } from '../../domain/identifier.ts';

const { identityKey, kind, version, sequence, tenant, subject, payload } = eventSchema.shape;
const inYears = 'must be milliseconds since 1970, in the years 1900 to 2199';

/** An event of `POST /api/events`: see dialects/sales.ts. */
export const salesEventSchema = z.strictObject({
  id: identityKey,
  seq: sequence.unwrap().unwrap().describe('1, 2, 3 … per aggregate'),
  at: z
    .int(inYears)
    .min(Date.UTC(1900, 0, 1), inYears)
    .max(Date.UTC(2200, 0, 1) - 1, inYears)
    .describe('Client clock when it happened, in milliseconds since 1970'),
  type: kind,
  aggregate: z.strictObject({
    id: identifierSchema.describe('Becomes `ticketId` of the payload'),
    type: z.literal('ticket'),
  }),
  version,
  tenant,
  subject,
  payload,
});

/** The request around the events; a bare array stands for one without `sentAt`. */
export const salesEnvelopeSchema = pushEnvelopeSchema.omit({ atomic: true, conflicts: true });

export const salesPushSchema = z.union([
  z.array(salesEventSchema).min(1),
  salesEnvelopeSchema.extend({ events: z.array(salesEventSchema).min(1) }),
]);

const { identityKey: failedId, ...failedRest } = failedEventSchema.omit({
  clientRequestId: true,
}).shape;
const { identityKey: resultId, ...resultRest } = eventResultSchema.omit({
  clientRequestId: true,
}).shape;

/** The answer to a push, with `id` for `identityKey`. */
export const salesPushAnswerSchema = pushAnswerSchema.extend({
  failed: z.array(z.object({ id: failedId, ...failedRest })).describe('In request order'),
  results: z
    .array(z.object({ id: resultId, ...resultRest }))
    .optional()
    .describe('With `?include=results`'),
});

export type SalesPushAnswer = z.infer<typeof salesPushAnswerSchema>;
