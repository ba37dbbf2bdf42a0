import { conflictsQuerySchema } from '../../../protocol/conflict.ts';
import type { Examples } from '../../openapi/examples.ts';
import {
  jsonResponse,
  bodyProblems,
  commonProblems,
  namedExamples,
  problemResponses,
  queryProblems,
} from '../../openapi/responses.ts';
import {
  type JsonSchema,
  pathParameter,
  queryParameters,
  schemaRef,
} from '../../openapi/schemas.ts';

export function conflictPaths(examples: Examples): JsonSchema {
  return {
    '/api/sync/conflicts': { get: listOperation(examples) },
    '/api/sync/conflicts/{identityKey}': { get: readOperation(examples) },
    '/api/sync/conflicts/{identityKey}/resolution': { post: resolveOperation(examples) },
  };
}

const identityKey = pathParameter('identityKey', 'Of the event that met the conflict');

function listOperation(examples: Examples): JsonSchema {
  return {
    operationId: 'listConflicts',
    tags: ['Conflicts'],
    summary: 'List the edits that met a changed record',
    description:
      'With both sides, the fields in which they differ, and both times. Needs the scope `sync:pull`.',
    parameters: queryParameters(conflictsQuerySchema),
    responses: {
      200: jsonResponse('One page, in version order', 'ConflictsAnswer', examples.conflictsAnswer),
      ...problemResponses(examples, [...commonProblems, ...queryProblems]),
    },
  };
}

function readOperation(examples: Examples): JsonSchema {
  return {
    operationId: 'readConflict',
    tags: ['Conflicts'],
    summary: 'Read one conflict',
    description: 'Also one that is settled. Needs the scope `sync:pull`.',
    parameters: [identityKey],
    responses: {
      200: jsonResponse('The conflict, with both sides', 'Conflict'),
      ...problemResponses(examples, [...commonProblems, 'NOT_FOUND']),
    },
  };
}

function resolveOperation(examples: Examples): JsonSchema {
  return {
    operationId: 'resolveConflict',
    tags: ['Conflicts'],
    summary: 'Settle a conflict',
    description:
      '`discard` leaves the record, `force` applies the edit again on top of it, `merge` applies the ' +
      'payload given. The same request again is answered the same. Needs the scope `sync:push`, and ' +
      "the kind's own where it has one.",
    parameters: [identityKey],
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: schemaRef('ResolutionRequest'),
          examples: namedExamples(examples.resolutionBody),
        },
      },
    },
    responses: {
      200: jsonResponse('Settled', 'ResolutionAnswer', examples.resolutionAnswer),
      ...problemResponses(examples, [
        ...commonProblems,
        ...bodyProblems,
        'NOT_FOUND',
        'ALREADY_RESOLVED',
        'RESOLUTION_REFUSED',
        'COMMIT_UNKNOWN',
      ]),
    },
  };
}
