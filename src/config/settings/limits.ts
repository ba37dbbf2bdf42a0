import { count, duration } from './schemas.ts';
import { optionalSetting, setting } from './setting.ts';

/** The payload is part of the event. The record that a kind makes of it may be longer. */
const maxRecordLengthPerEventByte = 2;

export const limitSettings = {
  maxBatchEvents: setting({
    variable: 'MAX_BATCH_EVENTS',
    schema: count,
    default: '500',
    unit: 'events',
    summary: 'The maximum number of events in one request.',
    details: 'A request with more events is answered `BATCH_TOO_LARGE`.',
  }),
  maxEventBytes: setting({
    variable: 'MAX_EVENT_BYTES',
    schema: count,
    default: '65536',
    unit: 'bytes',
    summary: 'The maximum size of one event, in bytes.',
    details:
      "A larger event is answered `EVENT_TOO_LARGE`. A record's data may have twice as many characters " +
      'of JSON (not bytes): see [kinds.md](kinds.md).',
  }),
  maxBodyBytes: setting({
    variable: 'MAX_BODY_BYTES',
    schema: count,
    default: '4194304',
    unit: 'bytes',
    summary: 'The maximum size of a request body in bytes, both as it is sent and decompressed.',
    details:
      'A larger body is answered `BODY_TOO_LARGE`. The bodies of all requests together may hold eight ' +
      'times as much; a request beyond that is answered `OVERLOADED`. The bodies of one tenant may hold ' +
      'four times as much; a request beyond that is answered `TENANT_BUSY`.',
  }),
  maxAnswerBytes: setting({
    variable: 'MAX_ANSWER_BYTES',
    schema: count,
    default: '4194304',
    unit: 'bytes',
    summary: 'The maximum size of an answer, in bytes.',
    details:
      'The answer of a push leaves out the records beyond it, and says so. In a list of changes, conflicts ' +
      'or history, the entries beyond it come on the next page. A page always holds at least one entry ' +
      '(of changes: the records of one event). Answers that are on their way to all clients may hold 32 ' +
      'times as much; beyond that the service begins no more requests (`OVERLOADED`). Answers to one ' +
      'tenant may hold eight times as much; beyond that it begins no more requests of this tenant ' +
      '(`TENANT_BUSY`).',
  }),
  maxEventAgeMs: optionalSetting({
    variable: 'MAX_EVENT_AGE',
    schema: duration,
    whenUnset: null,
    example: '90d',
    unit: 'duration',
    summary: 'The maximum age of an event.',
    details:
      'An older event is answered `EVENT_TOO_OLD`. Without it the service takes events of any age, and ' +
      'clients can send a queue of any age.',
  }),
};

/** The maximum length of a record's data, in characters of JSON. */
export function maxRecordLength(maxEventBytes: number): number {
  return maxRecordLengthPerEventByte * maxEventBytes;
}
