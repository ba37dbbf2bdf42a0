import type { Dialect, DialectRoute } from '../../../protocol/dialect.ts';
import { eventFailures, type ProblemCode } from '../../../domain/errors.ts';
import type { KindRegistry } from '../../../domain/kinds/registry.ts';
import { pushQuerySchema } from '../../../protocol/push.ts';
import type { Examples } from '../../openapi/examples.ts';
import {
  jsonResponse,
  bodyProblems,
  commonProblems,
  namedExamples,
  problemResponses,
  queryProblems,
} from '../../openapi/responses.ts';
import { type JsonSchema, oneOrAny, queryParameters, schemaRef } from '../../openapi/schemas.ts';

export function pushPaths(
  kinds: KindRegistry,
  dialects: readonly Dialect[],
  examples: Examples,
): JsonSchema {
  const routes = dialects.flatMap(({ description: described }) => described.route ?? []);
  return {
    '/api/sync/events': { post: pushOperation(kinds, dialects, examples) },
    ...Object.fromEntries(
      routes.map((route) => [route.path, { post: dialectOperation(route, examples) }]),
    ),
  };
}

function pushOperation(
  kinds: KindRegistry,
  dialects: readonly Dialect[],
  examples: Examples,
): JsonSchema {
  const bodies = [
    'PushRequest',
    ...dialects.flatMap(({ description: described }) => described.body ?? []),
  ];
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
          schema: oneOrAny(bodies.map(schemaRef)),
          examples: namedExamples(examples.pushBody),
        },
      },
    },
    responses: {
      200: jsonResponse('Decided and committed, event by event', 'PushAnswer', examples.pushAnswer),
      ...problemResponses(examples, pushProblems),
    },
  };
}

function dialectOperation(route: DialectRoute, examples: Examples): JsonSchema {
  const { operationId, summary, description } = route;
  return {
    operationId,
    tags: ['Sync'],
    summary,
    description: `${description} Needs the scope \`sync:push\`.`,
    parameters: queryParameters(pushQuerySchema),
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: schemaRef(route.body),
          examples: namedExamples(examples.salesBody),
        },
      },
    },
    responses: {
      200: jsonResponse(
        'Decided and committed, event by event',
        route.answer,
        examples.salesAnswer,
      ),
      ...problemResponses(examples, pushProblems),
    },
  };
}

const pushProblems = [
  ...commonProblems,
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
