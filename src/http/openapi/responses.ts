import { type ProblemCode, requestProblems } from '../../domain/errors.ts';
import type { Examples } from './examples.ts';
import { type JsonSchema, schemaRef } from './schemas.ts';

/** The problems of every operation that needs a token. */
export const commonProblems = [
  'AUTH_REQUIRED',
  'TOKEN_INVALID',
  'TENANT_REQUIRED',
  'FORBIDDEN',
  'MALFORMED_REQUEST',
  'HEADERS_TOO_LARGE',
  'REQUEST_TIMEOUT',
  'RATE_LIMITED',
  'TENANT_BUSY',
  'OVERLOADED',
  'UNAVAILABLE',
  'INTERNAL',
] as const satisfies readonly ProblemCode[];

export const queryProblems = ['INVALID_QUERY'] as const satisfies readonly ProblemCode[];

/** The problems of every operation with a body. */
export const bodyProblems = [
  'INVALID_JSON',
  'INVALID_UTF8',
  'TOO_DEEP',
  'INVALID_ENVELOPE',
  'BODY_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'UNSUPPORTED_ENCODING',
  'INVALID_BODY',
] as const satisfies readonly ProblemCode[];

/** One response per status. Its description names every code with this status. */
export function problemResponses(examples: Examples, codes: readonly ProblemCode[]): JsonSchema {
  const byStatus = Map.groupBy(codes, (code) => requestProblems[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, codesOfStatus]) => [
      status,
      {
        description: codesOfStatus
          .map((code) => `\`${code}\`: ${requestProblems[code].cause}`)
          .join('\n\n'),
        headers: refusalHeaders(status),
        content: {
          'application/problem+json': {
            schema: schemaRef('Problem'),
            ...withExamples(examples.problems, codesOfStatus),
          },
        },
      },
    ]),
  );
}

/** The headers of a refusal. */
function refusalHeaders(status: number): JsonSchema {
  const header = (description: string, type = 'string') => ({
    description,
    required: true,
    schema: { type },
  });
  return {
    'X-Request-Id': header('The id of the request in the log'),
    ...(status === 401 && { 'WWW-Authenticate': header('Bearer') }),
    ...((status === 429 || status === 503) && {
      'Retry-After': header('Seconds to wait', 'integer'),
    }),
    ...rateLimitHeaders,
  };
}

/**
 * Headers as in draft-ietf-httpapi-ratelimit-headers-06. If several limits apply, they show the one with
 * the fewest remaining requests.
 */
const rateLimits = {
  'RateLimit-Limit': 'The maximum of requests per minute',
  'RateLimit-Remaining': 'The requests that remain of it',
  'RateLimit-Reset': 'Seconds until the minute ends',
};

/** The headers of every answer to which a limit applies. Answers have none if the limits are off. */
export const rateLimitHeaders = Object.fromEntries(
  Object.keys(rateLimits).map((name) => [name, { $ref: `#/components/headers/${name}` }]),
);

export function headerComponents(): JsonSchema {
  return Object.fromEntries(
    Object.entries(rateLimits).map(([name, description]) => [
      name,
      { description, schema: { type: 'integer', minimum: 0 } },
    ]),
  );
}

function withExamples(all: Examples['problems'], codes: readonly ProblemCode[]): JsonSchema {
  const shown = codes.flatMap((code) => (all[code] ? [[code, { value: all[code] }] as const] : []));
  return shown.length > 0 ? { examples: Object.fromEntries(shown) } : {};
}

export function jsonResponse(
  description: string,
  schema: string,
  examples?: JsonSchema,
  headers = rateLimitHeaders,
): JsonSchema {
  const content = {
    schema: schemaRef(schema),
    ...(examples && { examples: namedExamples(examples) }),
  };
  return { description, headers, content: { 'application/json': content } };
}

export function namedExamples(examples: JsonSchema): JsonSchema {
  return Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }]));
}
