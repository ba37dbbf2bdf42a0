import { pullQuerySchema } from '../../../protocol/pull.ts';
import type { Examples } from '../../openapi/examples.ts';
import {
  jsonResponse,
  commonProblems,
  problemResponses,
  queryProblems,
  rateLimitHeaders,
} from '../../openapi/responses.ts';
import { type JsonSchema, queryParameters } from '../../openapi/schemas.ts';

export function pullPaths(examples: Examples): JsonSchema {
  return { '/api/sync/changes': { get: pullOperation(examples) } };
}

const entityTag = {
  ETag: { description: 'The checkpoint, quoted', required: true, schema: { type: 'string' } },
};

function pullOperation(examples: Examples): JsonSchema {
  return {
    operationId: 'pullChanges',
    tags: ['Sync'],
    summary: 'Read what changed since a checkpoint',
    description:
      'Without `since`, a bootstrap: live records only. Pull until `hasMore` is false, and keep ' +
      'the checkpoint together with the records. Needs the scope `sync:pull`.',
    parameters: [
      ...queryParameters(pullQuerySchema),
      {
        name: 'If-None-Match',
        in: 'header',
        required: false,
        description: 'The ETag of the last answer; the answer is 304 as long as nothing changed',
        schema: { type: 'string' },
      },
    ],
    responses: {
      200: {
        ...jsonResponse('One page', 'PullAnswer', examples.pullAnswer),
        headers: { ...rateLimitHeaders, ...entityTag },
      },
      304: {
        description: 'The checkpoint named by If-None-Match is still the newest',
        headers: { ...rateLimitHeaders, ...entityTag },
      },
      ...problemResponses(examples, [
        ...commonProblems,
        ...queryProblems,
        'INVALID_CHECKPOINT',
        'CHECKPOINT_EXPIRED',
      ]),
    },
  };
}
