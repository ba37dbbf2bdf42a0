import { answer } from '../../openapi/responses.ts';
import type { JsonSchema } from '../../openapi/schemas.ts';

/** What whoever runs the service calls. */
export function healthPaths(): JsonSchema {
  return { '/livez': { get: livenessOperation() }, '/readyz': { get: readinessOperation() } };
}

function livenessOperation(): JsonSchema {
  return {
    operationId: 'livez',
    tags: ['Health'],
    summary: 'Whether the process answers',
    security: [],
    responses: { 200: answer('It does', 'Liveness', undefined, {}) },
  };
}

function readinessOperation(): JsonSchema {
  return {
    operationId: 'readyz',
    tags: ['Health'],
    summary: 'Whether the service can do its work',
    security: [],
    responses: {
      200: answer('Send it traffic', 'Readiness', undefined, {}),
      503: answer('Send it none', 'Readiness', undefined, {}),
    },
  };
}
