import { z } from 'zod';
import type { EventFailure } from '../../domain/errors.ts';
import { eventSchema } from '../../domain/event.ts';
import { identifierSchema, readIdentifier } from '../../domain/identifier.ts';
import { describeFirstIssue, findUnsafeJson, isObject } from '../../domain/json-value.ts';
import {
  type AdaptedEvent,
  type Dialect,
  refuseEvent,
  renamePaths,
} from '../../protocol/dialect.ts';
import { plainFieldMapping, type UnprintedAnswer } from '../../protocol/push-answer.ts';
import {
  eventResultSchema,
  failedEventSchema,
  pushAnswerSchema,
  pushEnvelopeSchema,
} from '../../protocol/push.ts';
import { parseEnvelope } from '../../protocol/request.ts';

const { identityKey, kind, version, sequence, tenant, subject, payload } = eventSchema.shape;
const yearRule = 'must be milliseconds since 1970, in the years 1900 to 2199';

/** An event of `POST /api/events`. */
export const salesEventSchema = z.strictObject({
  id: identityKey,
  seq: sequence.unwrap().unwrap().describe('1, 2, 3 … per aggregate'),
  at: z
    .int(yearRule)
    .min(Date.UTC(1900, 0, 1), yearRule)
    .max(Date.UTC(2200, 0, 1) - 1, yearRule)
    .describe('When it happened, by the clock of the client, in milliseconds since 1970'),
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

/** The request around the events. A bare array is read as a request without `sentAt`. */
const salesEnvelopeSchema = pushEnvelopeSchema.omit({ atomic: true, conflicts: true });

const salesPushSchema = z.union([
  z.array(salesEventSchema).min(1),
  salesEnvelopeSchema.extend({ events: z.array(salesEventSchema).min(1) }),
]);

const { identityKey: failedId, ...failedRest } = failedEventSchema.omit({
  clientRequestId: true,
}).shape;
const { identityKey: resultId, ...resultRest } = eventResultSchema.omit({
  clientRequestId: true,
}).shape;

/** The answer to a push, with `id` in place of `identityKey`. */
export const salesPushAnswerSchema = pushAnswerSchema.extend({
  failed: z.array(z.object({ id: failedId, ...failedRest })).describe('In request order'),
  results: z
    .array(z.object({ id: resultId, ...resultRest }))
    .optional()
    .describe('With `?include=results`'),
});

/**
 * `POST /api/events`: the rows of an event store, `{id, seq, at, type, aggregate, payload}`, as a bare array or as
 * `events` of an object.
 */
export const sales: Dialect = {
  name: 'sales',
  kinds: [
    ...['ticket.opened', 'ticket.item-added', 'ticket.closed'],
    ...['sale.recorded', 'sale.voided'],
  ],
  parseEnvelope(body) {
    const envelope = Array.isArray(body) ? { events: body } : body;
    const defaults = { atomic: false, conflicts: 'keep' } as const;
    return { ...parseEnvelope(salesEnvelopeSchema, envelope), ...defaults };
  },
  adapt: adaptEvent,
  adaptAnswer: toSalesAnswer,
  description: {
    schemas: {
      SalesPushRequest: { schema: salesPushSchema, io: 'input' },
      SalesPushAnswer: { schema: salesPushAnswerSchema, io: 'output' },
    },
    route: {
      path: '/api/events',
      operationId: 'pushSalesEvents',
      summary: 'Post a batch of an event store',
      description:
        'The same push for clients that store `{id, seq, at, type, aggregate, payload}`; ' +
        'the answer names events by `id`.',
      body: 'SalesPushRequest',
      answer: 'SalesPushAnswer',
    },
  },
};

const pathOf = renamePaths([
  ['identityKey', 'id'],
  ['sequence', 'seq'],
  ['occurredAt', 'at'],
  ['kind', 'type'],
  ['payload.ticketId', 'aggregate.id'],
]);

/** Most fields have other names than in the protocol, so the event is validated here, by the names of the client. */
function adaptEvent(raw: unknown): AdaptedEvent {
  const fail = (failure: EventFailure) =>
    refuseEvent(isObject(raw) ? readIdentifier(raw.id) : null, failure);
  const fault = findUnsafeJson(raw);
  if (fault) return fail(fault);
  const parsed = salesEventSchema.safeParse(raw);
  if (!parsed.success) {
    const issue = describeFirstIssue(parsed.error);
    return fail({ code: issue.path === 'at' ? 'INVALID_TIMESTAMP' : 'INVALID_EVENT', ...issue });
  }
  const { id, seq, at, type, aggregate, payload: fact, ...rest } = parsed.data;
  const ticketId = aggregate.id;
  if (isObject(fact) && Object.hasOwn(fact, 'ticketId') && fact.ticketId !== ticketId) {
    return fail(otherTicket);
  }
  const event = {
    ...rest,
    identityKey: id,
    kind: type,
    occurredAt: new Date(at).toISOString(),
    sequence: seq,
    payload: isObject(fact) ? { ...fact, ticketId } : fact,
  };
  return { ...plainFieldMapping, pathOf, ok: true, event };
}

const otherTicket = {
  code: 'INVALID_EVENT',
  message: 'is another ticket than the ticket of the aggregate',
  path: 'payload.ticketId',
} as const;

function toSalesAnswer({ success, processed, failed, results, ...rest }: UnprintedAnswer) {
  return {
    success,
    processed,
    failed: failed.map(({ identityKey: id, ...entry }) => ({ id, ...entry })),
    ...(results && { results: results.map(({ identityKey: id, ...entry }) => ({ id, ...entry })) }),
    ...rest,
  };
}
