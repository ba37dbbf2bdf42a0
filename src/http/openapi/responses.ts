import { type ProblemCode, requestProblems } from '../../domain/errors.ts';
import type { Examples } from './examples.ts';
import { type JsonSchema, ref } from './schemas.ts';

/** What every call with a token may answer. */
export const everyProblem = [
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

/** What every call with a body may answer. */
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

/** One response per status, which names every code it can carry. */
export function problems(examples: Examples, codes: readonly ProblemCode[]): JsonSchema {
  const byStatus = Map.groupBy(codes, (code) => requestProblems[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, ofStatus]) => [
      status,
      {
        description: ofStatus
          .map((code) => `\`${code}\`: ${requestProblems[code].cause}`)
          .join('\n\n'),
        headers: headersOf(status),
        content: {
          'application/problem+json': {
            schema: ref('Problem'),
            ...withExamples(examples.problems, ofStatus),
          },
        },
      },
    ]),
  );
}

/** What a refusal says beside its body. */
function headersOf(status: number): JsonSchema {
  const header = (description: string, type = 'string') => ({
    description,
    required: true,
    schema: { type },
  });
  return {
    'X-Request-Id': header('The request, as the log knows it'),
    ...(status === 401 && { 'WWW-Authenticate': header('Bearer') }),
    ...((status === 429 || status === 503) && {
      'Retry-After': header('Seconds to wait', 'integer'),
    }),
    ...rateLimitHeaders,
  };
}

/** By the names of draft-ietf-httpapi-ratelimit-headers-06. Of several limits, the nearest one's. */
const rateLimits = {
  'RateLimit-Limit': 'Requests that may be sent within a minute',
  'RateLimit-Remaining': 'How many of them are left',
  'RateLimit-Reset': 'Seconds until the minute is over',
};

/** On every answer to which a limit applies, a good one too; none where the limits are off. */
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

export function answer(
  description: string,
  schema: string,
  examples?: JsonSchema,
  headers = rateLimitHeaders,
): JsonSchema {
  const content = { schema: ref(schema), ...(examples && { examples: examplesOf(examples) }) };
  return { description, headers, content: { 'application/json': content } };
}

export function examplesOf(examples: JsonSchema): JsonSchema {
  return Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }]));
}
