import { historyQuerySchema } from '../../../protocol/history.ts';
import { receiptsQuerySchema } from '../../../protocol/receipt.ts';
import type { Examples } from '../../openapi/examples.ts';
import {
  jsonResponse,
  commonProblems,
  problemResponses,
  queryProblems,
} from '../../openapi/responses.ts';
import { type JsonSchema, pathParameter, queryParameters } from '../../openapi/schemas.ts';

export function historyPaths(examples: Examples): JsonSchema {
  return {
    '/api/sync/entities/{type}/{id}/events': { get: historyOperation(examples) },
    '/api/sync/receipts': { get: receiptsOperation(examples) },
  };
}

function historyOperation(examples: Examples): JsonSchema {
  return {
    operationId: 'readHistory',
    tags: ['History'],
    summary: 'Read the audit trail of one entity',
    description:
      'Every event that was about it or wrote to it: outcome, times, device, versions before and ' +
      'after, resends. Needs the scope `sync:pull`.',
    parameters: [
      pathParameter('type', 'The entity type'),
      pathParameter('id', 'The entity'),
      ...queryParameters(historyQuerySchema),
    ],
    responses: {
      200: jsonResponse(
        'One page, the newest event first',
        'HistoryAnswer',
        examples.historyAnswer,
      ),
      ...problemResponses(examples, [...commonProblems, ...queryProblems, 'NOT_FOUND']),
    },
  };
}

function receiptsOperation(examples: Examples): JsonSchema {
  return {
    operationId: 'readReceipts',
    tags: ['History'],
    summary: 'Ask what became of events',
    description: 'The stored outcome of each identityKey. Needs the scope `sync:pull`.',
    parameters: queryParameters(receiptsQuerySchema),
    responses: {
      200: jsonResponse(
        'One receipt for each key, in the order of the request',
        'ReceiptsAnswer',
        examples.receiptsAnswer,
      ),
      ...problemResponses(examples, [...commonProblems, ...queryProblems]),
    },
  };
}
