import { colony } from '../../dialects/colony.ts';
import type { Dialects } from '../../dialects/dialect-of.ts';
import { sales } from '../../dialects/sales.ts';
import { eventFailures, type ProblemCode } from '../../errors.ts';
import type { KindRegistry } from '../../kinds/registry.ts';
import { pushQuerySchema } from '../../protocol/push.ts';
import type { Examples } from '../examples.ts';
import {
  answer,
  bodyProblems,
  everyProblem,
  examplesOf,
  problems,
  queryProblems,
} from '../responses.ts';
import { type Json, queryParameters, ref } from '../schemas.ts';

export function pushPaths(kinds: KindRegistry, dialects: Dialects, examples: Examples): Json {
  return {
    '/api/sync/events': { post: pushOperation(kinds, dialects, examples) },
    ...(dialects.has(sales) && { '/api/events': { post: salesOperation(examples) } }),
  };
}

function pushOperation(kinds: KindRegistry, dialects: Dialects, examples: Examples): Json {
  return {
    operationId: 'pushEvents',
    tags: ['Sync'],
    summary: 'Post a batch of queued events',
    description:
      'All accepted events of a batch commit in one transaction, or none does. Sending the same ' +
      'batch again is always right. Needs the scope `sync:push`.\n\n' +
      'Codes of failed events:\n\n' +
      failureTable(kinds),
    parameters: queryParameters(pushQuerySchema),
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: dialects.has(colony)
            ? { anyOf: [ref('PushRequest'), ref('ColonyPushRequest')] }
            : ref('PushRequest'),
          examples: examplesOf(examples.pushBody),
        },
      },
    },
    responses: {
      200: answer('Decided and committed, event by event', 'PushAnswer', examples.pushAnswer),
      ...problems(examples, pushProblems),
    },
  };
}

function salesOperation(examples: Examples): Json {
  return {
    operationId: 'pushSalesEvents',
    tags: ['Sync'],
    summary: 'Post a batch of an event store',
    description:
      'The same push in the words of clients that keep `{id, seq, at, type, aggregate, payload}`; ' +
      'the answer names events by `id`. Needs the scope `sync:push`.',
    parameters: queryParameters(pushQuerySchema),
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: ref('SalesPushRequest'),
          examples: examplesOf(examples.salesBody),
        },
      },
    },
    responses: {
      200: answer('Decided and committed, event by event', 'SalesPushAnswer', examples.salesAnswer),
      ...problems(examples, pushProblems),
    },
  };
}

const pushProblems = [
  ...everyProblem,
  ...queryProblems,
  ...bodyProblems,
  'EMPTY_BATCH',
  'BATCH_TOO_LARGE',
  'COMMIT_UNKNOWN',
] as const satisfies readonly ProblemCode[];

function failureTable(kinds: KindRegistry): string {
  const rows = Object.entries({ ...eventFailures, ...kinds.failures }).map(
    ([code, { retryable, cause }]) => `| \`${code}\` | ${retryable ? 'yes' : 'no'} | ${cause} |`,
  );
  return ['| code | retryable | cause |', '| --- | --- | --- |', ...rows].join('\n');
}
