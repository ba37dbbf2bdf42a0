import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import {
  openapi,
  type OpenApiOperation,
  type OpenApiSchema,
} from '../testkit/app/openapi-conformance.ts';
import { corrupted, hostileTexts, mutated } from './mutations.ts';
import { arbitraryOf, names } from './schema-arbitraries.ts';

export interface FuzzedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body?: Buffer;
}

interface Endpoint {
  readonly method: string;
  readonly template: string;
  readonly operation: OpenApiOperation;
}

const endpoints: readonly Endpoint[] = Object.entries(openapi.paths).flatMap(
  ([template, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      template,
      operation,
    })),
);

/** The push operations, each with bodies that match its schema. */
export const validPushes = endpoints
  .filter(({ operation }) => operation.operationId.startsWith('push'))
  .map(({ template, operation }) => ({
    url: template,
    bodies: arbitraryOf(bodySchema(operation)),
  }));

function bodySchema({ requestBody }: OpenApiOperation): OpenApiSchema {
  return requestBody?.content['application/json']?.schema ?? {};
}

const utf8 = (texts: fc.Arbitrary<string>) => texts.map((text) => Buffer.from(text));
const asJson = (values: fc.Arbitrary<unknown>) => values.map((value) => JSON.stringify(value));

function bodiesOf(operation: OpenApiOperation): fc.Arbitrary<Buffer> {
  const valid = arbitraryOf(bodySchema(operation));
  return fc.oneof(
    { weight: 2, arbitrary: utf8(asJson(valid)) },
    { weight: 8, arbitrary: utf8(mutated(valid)) },
    { weight: 2, arbitrary: corrupted(utf8(asJson(valid))) },
    { weight: 1, arbitrary: utf8(fc.json()) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)) },
  );
}

const compressions = {
  identity: (body: Buffer) => body,
  gzip: gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
} as const;
const encodings = Object.keys(compressions) as (keyof typeof compressions)[];

/** Bodies with their headers: plain ones, compressed ones, and ones with a wrong or broken encoding. */
function encodedBodies(
  operation: OpenApiOperation,
): fc.Arbitrary<Pick<FuzzedRequest, 'headers' | 'body'>> {
  const bodies = bodiesOf(operation);
  const plain = bodies.map((body) => ({ body, headers: {} }));
  const packed = fc
    .tuple(
      bodies,
      fc.constantFrom(...encodings),
      fc.constantFrom(...encodings, 'x', 'gzip, gzip', 'GZIP', 'x-gzip, identity'),
    )
    .map(([body, encoding, header]) => ({
      body: compressions[encoding](body),
      headers: { 'content-encoding': header },
    }));
  const broken = fc.constantFrom(...encodings).chain((encoding) =>
    corrupted(bodies.map((body) => compressions[encoding](body))).map((body) => ({
      body,
      headers: { 'content-encoding': encoding },
    })),
  );
  return fc.oneof({ weight: 8, arbitrary: plain }, { weight: 1, arbitrary: packed }, broken);
}

/** Valid texts of a header. HTTP clients and Node refuse others. */
const headerTexts = fc
  .string({ unit: 'binary', maxLength: 40 })
  .map((text) => text.replaceAll(/[^\t\u0020-\u007e\u0080-\u00ff]/g, '?').trim());

const oddHeaders: fc.Arbitrary<FuzzedRequest['headers']> = fc.record(
  {
    authorization: fc.oneof(
      headerTexts,
      headerTexts.map((text) => `Bearer ${text}`),
    ),
    'content-type': fc.oneof(
      fc.constantFrom(
        'application/json;charset=x',
        'text/plain',
        'application/json, a/b',
        undefined,
      ),
      headerTexts,
    ),
    'if-none-match': headerTexts,
    'accept-encoding': fc.constantFrom('identity;q=0', '*;q=0', 'x', ';;;', 'identity'),
    accept: headerTexts,
    traceparent: headerTexts,
    'x-forwarded-for': headerTexts,
    'x-http-method-override': fc.constantFrom('DELETE', 'PUT'),
    origin: headerTexts,
    cookie: headerTexts,
    range: fc.constantFrom('bytes=0-1', 'bytes=-1', 'bytes=9-1'),
    'x-many': fc.array(headerTexts, { minLength: 1, maxLength: 5 }),
  },
  { requiredKeys: [] },
);

const percent = (text: string) => encodeURIComponent(text.toWellFormed());
const oddParts = fc.oneof(
  fc.constantFrom(
    '%',
    '%zz',
    '%00',
    '%ff',
    '%ED%A0%80',
    '%2e%2e',
    '..',
    '',
    '[]',
    '%26',
    '+',
    '__proto__',
  ),
  fc.constantFrom(...hostileTexts).map((text) => percent(text.slice(0, 1_000))),
  fc.string({ unit: 'binary', maxLength: 250 }).map(percent),
);

function pathsOf({ template }: Endpoint): fc.Arbitrary<string> {
  const parts = template.split(/\{\w+\}/);
  const filled = fc.array(fc.oneof({ weight: 3, arbitrary: names.map(percent) }, oddParts), {
    minLength: parts.length - 1,
    maxLength: parts.length - 1,
  });
  return filled.map((values) => parts.map((part, at) => part + (values[at] ?? '')).join(''));
}

function queriesOf({ parameters = [] }: OpenApiOperation): fc.Arbitrary<string> {
  const known = parameters.filter((parameter) => parameter.in === 'query');
  const pairs = known.map(({ name, schema }) =>
    fc.oneof(
      {
        weight: 3,
        arbitrary: arbitraryOf(schema).map((value) => `${name}=${percent(String(value))}`),
      },
      { weight: 1, arbitrary: oddParts.map((part) => `${name}=${part}`) },
    ),
  );
  const unknown = fc.tuple(oddParts, oddParts).map(([name, value]) => `${name}=${value}`);
  const pair = fc.oneof(...pairs.map((arbitrary) => ({ weight: 4, arbitrary })), unknown);
  return fc
    .array(pair, { maxLength: 3 })
    .map((list) => (list.length > 0 ? `?${list.join('&')}` : ''));
}

function requestsTo(endpoint: Endpoint): fc.Arbitrary<FuzzedRequest> {
  const sent = endpoint.operation.requestBody
    ? encodedBodies(endpoint.operation)
    : fc.constant({ headers: {} });
  const odd = fc.oneof({ weight: 9, arbitrary: fc.constant({}) }, oddHeaders);
  return fc
    .tuple(pathsOf(endpoint), queriesOf(endpoint.operation), sent, odd)
    .map(([path, query, { headers, ...rest }, more]) => ({
      method: endpoint.method,
      url: path + query,
      headers: { ...headers, ...more },
      ...rest,
    }));
}

const otherMethods = ['HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'MKCOL'];

/** Requests with any method for any path. */
const unknownRequests: fc.Arbitrary<FuzzedRequest> = fc
  .tuple(
    fc.constantFrom(...otherMethods, 'GET', 'POST'),
    fc.array(oddParts, { minLength: 1, maxLength: 5 }),
    fc.constantFrom(...endpoints.map(({ template }) => template), '/', '/docs/'),
  )
  .map(([method, parts, template]) => ({
    method,
    url: `${template.replaceAll(/[{}]/g, '')}/${parts.join('/')}`,
    headers: {},
  }));

/** All requests that a client or an attacker may send. */
export const requests: fc.Arbitrary<FuzzedRequest> = fc.oneof(
  ...endpoints.map((endpoint) => ({
    weight: endpoint.operation.requestBody ? 5 : 3,
    arbitrary: requestsTo(endpoint),
  })),
  { weight: 2, arbitrary: unknownRequests },
);
