import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { expect } from 'vitest';
import { parse } from 'yaml';
import type { TestAnswer } from './test-app.ts';

interface Header {
  readonly required?: boolean;
  readonly schema: object;
}

interface Response {
  readonly headers?: Readonly<Record<string, Header | { readonly $ref: string }>>;
  readonly content?: Readonly<Record<string, { readonly schema: { readonly $ref: string } }>>;
}

export interface OpenApiParameter {
  readonly name: string;
  readonly in: 'query' | 'path' | 'header';
  readonly required: boolean;
  readonly schema: OpenApiSchema;
}

export interface OpenApiOperation {
  readonly operationId: string;
  readonly parameters?: readonly OpenApiParameter[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: OpenApiSchema }>>;
  };
  readonly responses: Readonly<Record<string, Response>>;
}

/** JSON Schema, draft 2020-12. */
export type OpenApiSchema = Readonly<Record<string, unknown>>;

/** The committed openapi.yaml, from which clients are generated. */
export const openapi: {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, OpenApiSchema>>;
    readonly headers?: Readonly<Record<string, Header>>;
  };
} = parse(readFileSync(new URL('../../../openapi.yaml', import.meta.url), 'utf8'));

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema({ $id: 'landfall', components: openapi.components });
const compiled = new Map<string, ValidateFunction>();

/** Validates a value. @param name a schema of openapi.yaml. @returns ajv's errors */
export function schemaErrors(name: string, value: unknown): readonly unknown[] {
  const ref = `landfall#/components/schemas/${name}`;
  const validate = compiled.get(name) ?? ajv.compile({ $ref: ref });
  compiled.set(name, validate);
  return validate(value) ? [] : (validate.errors ?? []);
}

const paths = Object.entries(openapi.paths).map(([template, operations]) => {
  const literals = template.split(/\{\w+\}/).map((part) => part.replace(/\W/g, '\\$&'));
  return { pattern: new RegExp(`^${literals.join('[^/]*')}$`), operations };
});

/** @throws AssertionError unless openapi.yaml documents the status, the headers and the body of the answer */
export function expectDocumented(
  request: { readonly method?: string; readonly url: string },
  answer: TestAnswer,
): void {
  const context = { method: request.method ?? 'GET', url: request.url, answer };
  expect({ ...context, errors: conformanceErrors(request, answer) }).toEqual({
    ...context,
    errors: [],
  });
}

/** What openapi.yaml does not document of an answer. */
export function conformanceErrors(
  { method = 'GET', url }: { readonly method?: string; readonly url: string },
  answer: TestAnswer,
): readonly unknown[] {
  const errors: unknown[] = [];
  if (!answer.headers['x-request-id']) errors.push('no X-Request-Id');
  const found = paths.find(({ pattern }) => pattern.test(pathOf(url)));
  if (!found) return [...errors, ...refusalErrors(answer, 404, 'NOT_FOUND')];
  const isHead = method === 'HEAD';
  const operation = found.operations[isHead ? 'get' : method.toLowerCase()];
  if (!operation) {
    // The router answers 404 to a path parameter that cannot be decoded, before it looks at the method.
    const expected = answer.status === 404 ? 'NOT_FOUND' : 'METHOD_NOT_ALLOWED';
    return [
      ...errors,
      ...refusalErrors(answer, requestStatus[expected], expected),
      ...(expected === 'METHOD_NOT_ALLOWED' ? allowErrors(answer, found.operations) : []),
    ];
  }
  const response = operation.responses[String(answer.status)];
  if (!response) return [...errors, `${operation.operationId} does not document ${answer.status}`];
  return [...errors, ...headerErrors(response, answer), ...bodyErrors(response, answer, isHead)];
}

/** The path as the router reads it: %63 is decoded to c, but %2F does not separate segments. */
function pathOf(url: string): string {
  const [path = ''] = url.split(/[?#]/, 1);
  return path
    .split('/')
    .map((part) => {
      try {
        return encodeURIComponent(decodeURIComponent(part));
      } catch {
        return part;
      }
    })
    .join('/');
}

const requestStatus = { NOT_FOUND: 404, METHOD_NOT_ALLOWED: 405 } as const;

function refusalErrors({ status, headers, body }: TestAnswer, expected: number, code: string) {
  const type = String(headers['content-type']).split(';', 1)[0];
  return [
    ...(status === expected && (body === '' || body.code === code) ? [] : [`not ${code}`]),
    ...(body === '' ? [] : schemaErrors('Problem', body)),
    ...(type === 'application/problem+json' ? [] : [`of type ${type}`]),
  ];
}

function allowErrors({ headers }: TestAnswer, operations: object): string[] {
  const allowed = String(headers.allow).split(', ');
  const missing = Object.keys(operations).filter((name) => !allowed.includes(name.toUpperCase()));
  return missing.map((name) => `Allow lacks ${name}`);
}

function headerErrors({ headers = {} }: Response, answer: TestAnswer): string[] {
  return Object.entries(headers).flatMap(([name, described]) => {
    const header = '$ref' in described ? openapi.components.headers?.[name] : described;
    if (!header) return [`openapi.yaml describes no ${name}`];
    const { required, schema } = header;
    const value = answer.headers[name.toLowerCase()];
    if (value === undefined) return required ? [`no ${name}`] : [];
    const isNumber = 'type' in schema && schema.type === 'integer';
    const valid = ajv.validate(schema, isNumber ? Number(value) : value);
    return valid ? [] : [`${name}: ${String(value)}`];
  });
}

function bodyErrors({ content }: Response, answer: TestAnswer, isHead: boolean) {
  if (!content || isHead) return answer.body === '' ? [] : ['has a body'];
  const [type = ''] = String(answer.headers['content-type']).split(';', 1);
  const media = content[type];
  if (!media) return [`of type ${type}`];
  return schemaErrors(media.schema.$ref.split('/').at(-1) ?? '', answer.body);
}
