import type { z } from 'zod';
import { type JsonSchema, toJsonSchema } from './schemas.ts';

/** Texts to try for a schema that does not accept the name of its field. */
const candidateTexts = [
  ...['2026-11-21T10:00:00.000Z', '2026-11-21', '10:00:00', '10:00', 'P1D'],
  ...['3f0c8e0e-8d5b-4a54-9f1e-3f8a5c1b7d10', 'ann@example.com', 'https://app.example/'],
  ...['a', 'A', '1', '12', '0001', 'AB', 'ab', 'EUR', 'DE', 'en', '0.00', '1.50', '+4930123456'],
  ...['9783161484100', '0'.repeat(64), 'a-1', 'A-1', 'a_b', 'a.b', 'A00:12:34:05', '#a1b2c3'],
];
const maxDepth = 16;

/**
 * Makes a readable value that a schema accepts: the first of the schema's `examples` if it has some, else a
 * value made from the names of the fields.
 *
 * @returns undefined if no such value is found, for instance for a text with an unusual pattern
 */
export function makeSample(schema: z.ZodType): unknown {
  try {
    const json = toJsonSchema(schema, 'input');
    const candidates = [{ withOptional: true }, { withOptional: false }].map((options) =>
      make(json, '', options),
    );
    return candidates.find((value) => value !== undefined && schema.safeParse(value).success);
  } catch {
    // The pattern is no regular expression of JavaScript, or the schema's own code throws.
    return undefined;
  }
}

interface MakeOptions {
  /** Whether the value has its optional fields. */
  readonly withOptional: boolean;
  readonly definitions?: JsonSchema;
  readonly depth?: number;
}

function make(schema: JsonSchema, name: string, options: MakeOptions): unknown {
  const depth = (options.depth ?? 0) + 1;
  if (depth > maxDepth) return undefined;
  const definitions = options.definitions ?? (schema.$defs as JsonSchema | undefined) ?? {};
  const nested = { ...options, definitions, depth };
  const { examples, enum: values, anyOf, oneOf, allOf, $ref } = schema;
  if (Array.isArray(examples)) return examples[0];
  if ('const' in schema) return schema.const;
  if (Array.isArray(values)) return values[0];
  if (typeof $ref === 'string') {
    const target = $ref === '#' ? undefined : definitions[$ref.split('/').at(-1) ?? ''];
    return target && make(target as JsonSchema, name, nested);
  }
  const alternatives = anyOf ?? oneOf;
  if (Array.isArray(alternatives)) {
    return alternatives
      .map((alternative: JsonSchema) => make(alternative, name, nested))
      .find((value) => value !== undefined);
  }
  if (Array.isArray(allOf)) {
    return Object.assign({}, ...allOf.map((part: JsonSchema) => make(part, name, nested)));
  }
  return makeOfType(schema, name, nested);
}

function makeOfType(schema: JsonSchema, name: string, options: MakeOptions): unknown {
  switch (schema.type) {
    case 'object':
      return makeObject(schema, options);
    case 'array': {
      const { prefixItems, items, minItems = 1 } = schema;
      if (Array.isArray(prefixItems)) return prefixItems.map((item) => make(item, name, options));
      const item = make((items ?? {}) as JsonSchema, name.replace(/s$/, ''), options);
      return Array.from({ length: Math.max(1, Number(minItems)) }, () => item);
    }
    case 'string':
      return makeText(schema, name);
    case 'integer':
    case 'number':
      return makeNumber(schema);
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return name === '' ? undefined : name;
  }
}

function makeObject({ properties = {}, required = [] }: JsonSchema, options: MakeOptions): unknown {
  const members: [string, unknown][] = [];
  for (const [name, property] of Object.entries(properties as JsonSchema)) {
    const isRequired = (required as string[]).includes(name);
    if (!isRequired && !options.withOptional) continue;
    const value = make(property as JsonSchema, name, options);
    if (value !== undefined) members.push([name, value]);
    else if (isRequired) return undefined;
  }
  return Object.fromEntries(members);
}

/** For instance "book-1" for the field `bookId`, and "title" for the field `title`. */
function makeText(schema: JsonSchema, name: string): string | undefined {
  const { minLength = 0, maxLength = Infinity, pattern = '', format } = schema;
  const shape = new RegExp(String(pattern), 'u');
  const nameText = name.replace(/(?<=.)Id$/, '-1');
  const base = format === undefined ? [nameText, ...candidateTexts] : candidateTexts;
  const candidates = [...base, nameText.padEnd(Number(minLength), '.')];
  return candidates.find(
    (text) =>
      text.length >= Number(minLength) && text.length <= Number(maxLength) && shape.test(text),
  );
}

function makeNumber(schema: JsonSchema): number {
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum, multipleOf } = schema;
  const step = Number(multipleOf ?? 1);
  const low = Math.max(Number(minimum ?? -Infinity), Number(exclusiveMinimum ?? -Infinity) + step);
  const high = Math.min(Number(maximum ?? Infinity), Number(exclusiveMaximum ?? Infinity) - step);
  return Math.ceil(Math.min(Math.max(step, low), high) / step) * step;
}
