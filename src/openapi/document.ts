import manifest from '../../package.json' with { type: 'json' };
import { eventFailures, type ProblemCode, requestProblems } from '../errors.ts';
import type { KindRegistry } from '../kinds/registry.ts';
import { pullQuerySchema } from '../protocol/pull.ts';
import { pushQuerySchema } from '../protocol/push.ts';
import type { Examples } from './examples.ts';
import { type Json, queryParameters, ref, schemasOf } from './schemas.ts';

/** The OpenAPI 3.1 document: schemas from src/protocol and the kinds, codes from src/errors.ts. */
export function buildDocument(kinds: KindRegistry, examples: Examples): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Landfall',
      version: manifest.version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Offline-first clients post the events they queued and pull what changed since. ' +
        'Every event happens exactly once, by its identityKey; the last write wins, on the ' +
        "server's clock; a checkpoint never skips a change.",
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    tags: [
      { name: 'Sync', description: 'What clients call.' },
      { name: 'Health', description: 'What whoever runs it calls.' },
    ],
    paths: {
      '/api/sync/events': { post: pushOperation(examples) },
      '/api/sync/changes': { get: pullOperation(examples) },
      '/livez': { get: livenessOperation() },
      '/readyz': { get: readinessOperation() },
    },
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
      },
      schemas: schemasOf(kinds),
    },
  };
}

function pushOperation(examples: Examples): Json {
  return {
    operationId: 'pushEvents',
    tags: ['Sync'],
    summary: 'Post a batch of queued events',
    description:
      'All accepted events of a batch commit in one transaction, or none does. Sending the same ' +
      'batch again is always right. Needs the scope `sync:push`.\n\n' +
      'Codes of failed events:\n\n' +
      failureTable(),
    parameters: queryParameters(pushQuerySchema),
    requestBody: {
      required: true,
      content: {
        'application/json': { schema: ref('PushRequest'), examples: examplesOf(examples.pushBody) },
      },
    },
    responses: {
      200: answer('Decided and committed, event by event', 'PushAnswer', examples.pushAnswer),
      ...problems(examples, [
        ...everyProblem,
        ...queryProblems,
        'INVALID_JSON',
        'INVALID_UTF8',
        'TOO_DEEP',
        'INVALID_ENVELOPE',
        'EMPTY_BATCH',
        'BATCH_TOO_LARGE',
        'BODY_TOO_LARGE',
        'UNSUPPORTED_MEDIA_TYPE',
        'UNSUPPORTED_ENCODING',
        'INVALID_BODY',
        'TENANT_BUSY',
        'COMMIT_UNKNOWN',
      ]),
    },
  };
}

function pullOperation(examples: Examples): Json {
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
        description: 'The ETag of the last answer, to be told 304 while nothing changed',
        schema: { type: 'string' },
      },
    ],
    responses: {
      200: {
        ...answer('One page', 'PullAnswer', examples.pullAnswer),
        headers: { ETag: { description: 'The checkpoint, quoted', schema: { type: 'string' } } },
      },
      304: { description: 'The checkpoint named by If-None-Match is still the newest' },
      ...problems(examples, [
        ...everyProblem,
        ...queryProblems,
        'INVALID_CHECKPOINT',
        'CHECKPOINT_EXPIRED',
      ]),
    },
  };
}

function livenessOperation(): Json {
  return {
    operationId: 'livez',
    tags: ['Health'],
    summary: 'Whether the process answers',
    security: [],
    responses: { 200: answer('It does', 'Liveness') },
  };
}

function readinessOperation(): Json {
  return {
    operationId: 'readyz',
    tags: ['Health'],
    summary: 'Whether the service can do its work',
    security: [],
    responses: {
      200: answer('Send it traffic', 'Readiness'),
      503: answer('Send it none', 'Readiness'),
    },
  };
}

const everyProblem = [
  'AUTH_REQUIRED',
  'TOKEN_INVALID',
  'TENANT_REQUIRED',
  'FORBIDDEN',
  'OVERLOADED',
  'UNAVAILABLE',
  'INTERNAL',
] as const satisfies readonly ProblemCode[];

const queryProblems = ['INVALID_QUERY'] as const satisfies readonly ProblemCode[];

/** One response per status, which names every code it can carry. */
function problems(examples: Examples, codes: readonly ProblemCode[]): Json {
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
function headersOf(status: number): Json {
  const header = (description: string, type = 'string') => ({ description, schema: { type } });
  return {
    'X-Request-Id': header('The request, as the log knows it'),
    ...(status === 401 && { 'WWW-Authenticate': header('Bearer') }),
    ...(status === 503 && { 'Retry-After': header('Seconds to wait', 'integer') }),
  };
}

function withExamples(all: Examples['problems'], codes: readonly ProblemCode[]): Json {
  const shown = codes.flatMap((code) => (all[code] ? [[code, { value: all[code] }] as const] : []));
  return shown.length > 0 ? { examples: Object.fromEntries(shown) } : {};
}

function answer(description: string, schema: string, examples?: Json): Json {
  const content = { schema: ref(schema), ...(examples && { examples: examplesOf(examples) }) };
  return { description, content: { 'application/json': content } };
}

function examplesOf(examples: Json): Json {
  return Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }]));
}

function failureTable(): string {
  const rows = Object.entries(eventFailures).map(
    ([code, { retryable, cause }]) => `| \`${code}\` | ${retryable ? 'yes' : 'no'} | ${cause} |`,
  );
  return ['| code | retryable | cause |', '| --- | --- | --- |', ...rows].join('\n');
}
