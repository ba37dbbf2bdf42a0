import type { EventFailure } from '../errors.ts';
import { describeFirst } from '../protocol/issue.ts';
import { findEventFault } from '../protocol/json.ts';
import type { PushAnswer } from '../protocol/push.ts';
import type { Unprinted } from '../protocol/push-answer.ts';
import { parseEnvelope } from '../protocol/request.ts';
import { salesEnvelopeSchema, salesEventSchema, type SalesPushAnswer } from '../protocol/sales.ts';
import { readIdentifier } from '../protocol/text.ts';
import {
  type Dialect,
  isObject,
  plainSpelling,
  type Reading,
  refuse,
  renaming,
} from './dialect.ts';

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
  envelopeOf(body) {
    const envelope = Array.isArray(body) ? { events: body } : body;
    const asked = { atomic: false, conflicts: 'keep' } as const;
    return { ...parseEnvelope(salesEnvelopeSchema, envelope), ...asked };
  },
  read,
  answerOf: toSalesAnswer,
};

const pathOf = renaming([
  ['identityKey', 'id'],
  ['sequence', 'seq'],
  ['occurredAt', 'at'],
  ['kind', 'type'],
  ['payload.ticketId', 'aggregate.id'],
]);

/** Little of it is spelled as in the protocol, so it is checked here, by names the client knows. */
function read(raw: unknown): Reading {
  const fail = (failure: EventFailure) =>
    refuse(isObject(raw) ? readIdentifier(raw.id) : null, failure);
  const fault = findEventFault(raw);
  if (fault) return fail(fault);
  const parsed = salesEventSchema.safeParse(raw);
  if (!parsed.success) {
    const issue = describeFirst(parsed.error);
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
  return { ...plainSpelling, pathOf, ok: true, event };
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
}: Unprinted<PushAnswer>): Unprinted<SalesPushAnswer> {
  return {
    success,
    processed,
    failed: failed.map(({ identityKey: id, ...entry }) => ({ id, ...entry })),
    ...(results && { results: results.map(({ identityKey: id, ...entry }) => ({ id, ...entry })) }),
    ...rest,
  };
}
