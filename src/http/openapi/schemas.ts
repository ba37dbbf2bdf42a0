import { z } from 'zod';
import type { Dialect } from '../../protocol/dialect.ts';
import { eventFailures } from '../../domain/errors.ts';
import type { KindRegistry } from '../../domain/kinds/registry.ts';
import {
  conflictsAnswerSchema,
  conflictSchema,
  resolutionAnswerSchema,
  resolutionRequestSchema,
} from '../../protocol/conflict.ts';
import { eventSchema } from '../../domain/event.ts';
import { historyAnswerSchema } from '../../protocol/history.ts';
import { problemSchema } from '../../protocol/problem.ts';
import { pullAnswerSchema } from '../../protocol/pull.ts';
import { failureCodeSchema, pushAnswerSchema, pushEnvelopeSchema } from '../../protocol/push.ts';
import { receiptsAnswerSchema } from '../../protocol/receipt.ts';
import { recordSchema } from '../../protocol/record.ts';

export type JsonSchema = Record<string, unknown>;

export function queryParameters(schema: z.ZodObject): JsonSchema[] {
  const { properties = {}, required = [] } = toJsonSchema(schema, 'input');
  return Object.entries(properties as Record<string, JsonSchema>).map(
    ([name, { description, ...property }]) => ({
      name,
      in: 'query',
      required: (required as string[]).includes(name),
      ...(description !== undefined && { description }),
      schema: property,
    }),
  );
}

export function pathParameter(name: string, description: string): JsonSchema {
  return { name, in: 'path', required: true, description, schema: { type: 'string' } };
}

export function buildSchemas(kinds: KindRegistry, dialects: readonly Dialect[]): JsonSchema {
  const events = ['Event', ...dialects.flatMap(({ description }) => description.event ?? [])].map(
    schemaRef,
  );
  const record = toJsonSchema(recordSchema, 'output');
  const pushRequest = toJsonSchema(pushEnvelopeSchema, 'input');
  Object.assign(pushRequest.properties as JsonSchema, {
    events: {
      type: 'array',
      minItems: 1,
      items: oneOrAny(events),
    },
  });
  const pushAnswer = toJsonSchema(pushAnswerSchema, 'output');
  const payloads = kinds.kinds.flatMap((kind) =>
    Array.from({ length: kind.newestVersion }, (_, index) => {
      const schema = kind.schemaOf(index + 1);
      if (!schema) throw new Error(`${kind.name} has no version ${index + 1}`);
      return [payloadName(kind.name, index + 1), toJsonSchema(schema, 'input')] as const;
    }),
  );
  return {
    PushRequest: pushRequest,
    Event: { ...toJsonSchema(eventSchema, 'input'), ...payloadRule(kinds) },
    ...Object.assign({}, ...dialects.map((dialect) => dialectSchemas(dialect, kinds))),
    FailureCode: {
      type: 'string',
      description: 'Why an event failed: a code of Landfall, or of the kind itself',
      enum: Object.keys({ ...eventFailures, ...kinds.failures }),
    },
    PushAnswer: dialects.some(({ description }) => description.event)
      ? pushAnswer
      : without(pushAnswer, 'clientRequestId'),
    PullAnswer: toJsonSchema(pullAnswerSchema, 'output'),
    Record: record,
    Conflict: toJsonSchema(conflictSchema, 'output'),
    ConflictsAnswer: toJsonSchema(conflictsAnswerSchema, 'output'),
    ResolutionRequest: toJsonSchema(resolutionRequestSchema, 'input'),
    ResolutionAnswer: toJsonSchema(resolutionAnswerSchema, 'output'),
    HistoryAnswer: toJsonSchema(historyAnswerSchema, 'output'),
    ReceiptsAnswer: toJsonSchema(receiptsAnswerSchema, 'output'),
    Problem: toJsonSchema(problemSchema, 'output'),
    Liveness: { type: 'object', required: ['status'], properties: { status: { const: 'ok' } } },
    Readiness: {
      type: 'object',
      required: ['status', 'checks'],
      properties: {
        status: { enum: ['ok', 'unavailable'] },
        checks: { type: 'object', additionalProperties: { type: 'boolean' } },
      },
    },
    ...Object.fromEntries(payloads),
  };
}

/** The schemas of a dialect. Its event schema has the payloads of the kinds. */
function dialectSchemas(
  { description: dialectDescription }: Dialect,
  kinds: KindRegistry,
): JsonSchema {
  return Object.fromEntries(
    Object.entries(dialectDescription.schemas).map(([name, { schema, io }]) => [
      name,
      { ...toJsonSchema(schema, io), ...(name === dialectDescription.event && payloadRule(kinds)) },
    ]),
  );
}

/** The only schema of a list, or `anyOf` several. */
export function oneOrAny(schemas: readonly JsonSchema[]): JsonSchema {
  const [first = {}, ...others] = schemas;
  return others.length === 0 ? first : { anyOf: schemas };
}

/** Removes every property with this name from the schema, at every depth. */
function without(schema: JsonSchema, property: string): JsonSchema {
  const text = JSON.stringify(schema, (name, value) => (name === property ? undefined : value));
  return JSON.parse(text);
}

/** Connects each kind with the schema of its payload, so that a generated client cannot mix them up. */
function payloadRule(kinds: KindRegistry): JsonSchema {
  return {
    allOf: kinds.kinds.flatMap((kind) =>
      Array.from({ length: kind.newestVersion }, (_, index) => {
        const version = index + 1;
        const isDefault = version === 1;
        return {
          if: {
            properties: { kind: { const: kind.name }, version: { const: version } },
            required: isDefault ? ['kind'] : ['kind', 'version'],
          },
          // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
          then: { properties: { payload: schemaRef(payloadName(kind.name, version)) } },
        };
      }),
    ),
  };
}

/** OpenAPI allows no `:` and no `/` in the name of a component. The escapes keep different names different. */
function payloadName(kind: string, version: number): string {
  const name = kind.replaceAll(
    /[:/]|_(?=3a|2f|5f)/g,
    (character) => `_${character.charCodeAt(0).toString(16)}`,
  );
  return `${name}.v${version}`;
}

export function schemaRef(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

/** The schemas that are defined once and referenced elsewhere. */
const sharedSchemas = new Map<unknown, string>([
  [recordSchema, 'Record'],
  [conflictSchema, 'Conflict'],
  [failureCodeSchema, 'FailureCode'],
]);

export function toJsonSchema(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, {
    io,
    target: 'draft-2020-12',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const name = Object.is(zodSchema, schema) ? undefined : sharedSchemas.get(zodSchema);
      if (name === undefined) return;
      for (const key of Object.keys(jsonSchema)) delete jsonSchema[key as keyof typeof jsonSchema];
      Object.assign(jsonSchema, schemaRef(name));
    },
  });
  return json;
}
