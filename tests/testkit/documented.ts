import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { expect } from 'vitest';
import { parse } from 'yaml';
import type { TestAnswer } from './app.ts';

interface Header {
  readonly required?: boolean;
  readonly schema: object;
}

interface Response {
  readonly headers?: Readonly<Record<string, Header | { readonly $ref: string }>>;
  readonly content?: Readonly<Record<string, { readonly schema: { readonly $ref: string } }>>;
}

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path' | 'header';
  readonly required: boolean;
  readonly schema: Schema;
}

export interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: Schema }>>;
  };
  readonly responses: Readonly<Record<string, Response>>;
}

/** JSON Schema, draft 2020-12. */
export type Schema = Readonly<Record<string, unknown>>;

/** As it is committed, which is what clients are generated from. */
export const openapi: {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly headers?: Readonly<Record<string, Header>>;
  };
} = parse(readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8'));

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema({ $id: 'landfall', components: openapi.components });
const compiled = new Map<string, ValidateFunction>();

/** What ajv says against a value, by the name of a schema in openapi.yaml. */
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

/** Fails unless openapi.yaml tells of this answer: its status, its headers and its body. */
export function expectDocumented(
  request: { readonly method?: string; readonly url: string },
  answer: TestAnswer,
): void {
  const about = { method: request.method ?? 'GET', url: request.url, answer };
  expect({ ...about, faults: documentationFaults(request, answer) }).toEqual({
    ...about,
    faults: [],
  });
}

/** In words, what of an answer openapi.yaml does not tell. */
export function documentationFaults(
  { method = 'GET', url }: { readonly method?: string; readonly url: string },
  answer: TestAnswer,
): readonly unknown[] {
  const faults: unknown[] = [];
  if (!answer.headers['x-request-id']) faults.push('no X-Request-Id');
  const found = paths.find(({ pattern }) => pattern.test(pathOf(url)));
  if (!found) return [...faults, ...refusalFaults(answer, 404, 'NOT_FOUND')];
  const isHead = method === 'HEAD';
  const operation = found.operations[isHead ? 'get' : method.toLowerCase()];
  if (!operation) {
    // A name in the path that cannot be decoded is no path at all.
    const expected = answer.status === 404 ? 'NOT_FOUND' : 'METHOD_NOT_ALLOWED';
    return [
      ...faults,
      ...refusalFaults(answer, requestStatus[expected], expected),
      ...(expected === 'METHOD_NOT_ALLOWED' ? allowFaults(answer, found.operations) : []),
    ];
  }
  const response = operation.responses[String(answer.status)];
  if (!response) return [...faults, `${operation.operationId} tells of no ${answer.status}`];
  return [...faults, ...headerFaults(response, answer), ...bodyFaults(response, answer, isHead)];
}

/** As the router reads it: %63 is another way to write c, but %2F is no slash. */
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

function refusalFaults({ status, headers, body }: TestAnswer, expected: number, code: string) {
  const type = String(headers['content-type']).split(';', 1)[0];
  return [
    ...(status === expected && (body === '' || body.code === code) ? [] : [`not ${code}`]),
    ...(body === '' ? [] : schemaErrors('Problem', body)),
    ...(type === 'application/problem+json' ? [] : [`of type ${type}`]),
  ];
}

function allowFaults({ headers }: TestAnswer, operations: object): string[] {
  const allowed = String(headers.allow).split(', ');
  const missing = Object.keys(operations).filter((name) => !allowed.includes(name.toUpperCase()));
  return missing.map((name) => `Allow lacks ${name}`);
}

function headerFaults({ headers = {} }: Response, answer: TestAnswer): string[] {
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

function bodyFaults({ content }: Response, answer: TestAnswer, isHead: boolean) {
  if (!content || isHead) return answer.body === '' ? [] : ['has a body'];
  const [type = ''] = String(answer.headers['content-type']).split(';', 1);
  const media = content[type];
  if (!media) return [`of type ${type}`];
  return schemaErrors(media.schema.$ref.split('/').at(-1) ?? '', answer.body);
}
