import { jsonResponse } from '../../openapi/responses.ts';
import type { JsonSchema } from '../../openapi/schemas.ts';

/** The operations for the operator of the service. */
export function healthPaths(): JsonSchema {
  return { '/livez': { get: livenessOperation() }, '/readyz': { get: readinessOperation() } };
}

function livenessOperation(): JsonSchema {
  return {
    operationId: 'livez',
    tags: ['Health'],
    summary: 'Whether the process answers',
    security: [],
    responses: { 200: jsonResponse('It does', 'Liveness', undefined, {}) },
  };
}

function readinessOperation(): JsonSchema {
  return {
    operationId: 'readyz',
    tags: ['Health'],
    summary: 'Whether the service can do its work',
    security: [],
    responses: {
      200: jsonResponse('Send it traffic', 'Readiness', undefined, {}),
      503: jsonResponse('Send it none', 'Readiness', undefined, {}),
    },
  };
}
