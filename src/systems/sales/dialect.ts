import type { EventFailure } from '../../domain/errors.ts';
import { describeFirstIssue } from '../../domain/schema-issue.ts';
import { findEventFault, isObject } from '../../domain/json-value.ts';
import type { PushAnswer } from '../../protocol/push.ts';
import type { UnprintedAnswer } from '../../protocol/print-push-answer.ts';
import { parseEnvelope } from '../../protocol/request.ts';
import {
  salesEnvelopeSchema,
  salesEventSchema,
  salesPushAnswerSchema,
  salesPushSchema,
} from './wire.ts';
import { readIdentifier } from '../../domain/identifier.ts';
import {
  type Dialect,
  plainFieldMapping,
  type AdaptedEvent,
  refuseEvent,
  renamePaths,
} from '../../protocol/dialect.ts';

/**
 * `POST /api/events`: an event store's own rows, `{id, seq, at, type, aggregate, payload}`, as a bare
 * array or as `events` of an object.
 */
export const sales: Dialect = {
  name: 'sales',
  kinds: [
    ...['ticket.opened', 'ticket.item-added', 'ticket.closed'],
    ...['sale.recorded', 'sale.voided'],
  ],
  matches: () => false,
  parseEnvelope(body) {
    const envelope = Array.isArray(body) ? { events: body } : body;
    const asked = { atomic: false, conflicts: 'keep' } as const;
    return { ...parseEnvelope(salesEnvelopeSchema, envelope), ...asked };
  },
  adapt: read,
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
        'The same push in the words of clients that keep `{id, seq, at, type, aggregate, payload}`; ' +
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

/** Little of it is spelled as in the protocol, so it is checked here, by names the client knows. */
function read(raw: unknown): AdaptedEvent {
  const fail = (failure: EventFailure) =>
    refuseEvent(isObject(raw) ? readIdentifier(raw.id) : null, failure);
  const fault = findEventFault(raw);
  if (fault) return fail(fault);
  const parsed = salesEventSchema.safeParse(raw);
  if (!parsed.success) {
    const issue = describeFirstIssue(parsed.error);
    return fail({ code: issue.path === 'at' ? 'INVALID_TIMESTAMP' : 'INVALID_EVENT', ...issue });
  }
  const { id, seq, at, type, aggregate, payload, ...rest } = parsed.data;
  const ticketId = aggregate.id;
  if (isObject(payload) && Object.hasOwn(payload, 'ticketId') && payload.ticketId !== ticketId) {
    return fail(otherTicket);
  }
  const event = {
    ...rest,
    identityKey: id,
    kind: type,
    occurredAt: new Date(at).toISOString(),
    sequence: seq,
    payload: isObject(payload) ? { ...payload, ticketId } : payload,
  };
  return { ...plainFieldMapping, pathOf, ok: true, event };
}

const otherTicket = {
  code: 'INVALID_EVENT',
  message: 'is another ticket than that of the aggregate',
  path: 'payload.ticketId',
} as const;

function toSalesAnswer({
  success,
  processed,
  failed,
  results,
  ...rest
}: UnprintedAnswer<PushAnswer>) {
  return {
    success,
    processed,
    failed: failed.map(({ identityKey: id, ...entry }) => ({ id, ...entry })),
    ...(results && { results: results.map(({ identityKey: id, ...entry }) => ({ id, ...entry })) }),
    ...rest,
  };
}
