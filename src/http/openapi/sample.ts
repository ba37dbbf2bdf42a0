import type { z } from 'zod';
import { type JsonSchema, toJsonSchema } from './schemas.ts';

/** What a text may have to look like, beside the name of its field. */
const texts = [
  ...['2026-11-21T10:00:00.000Z', '2026-11-21', '10:00:00', '10:00', 'P1D'],
  ...['3f0c8e0e-8d5b-4a54-9f1e-3f8a5c1b7d10', 'ann@example.com', 'https://app.example/'],
  ...['a', 'A', '1', '12', '0001', 'AB', 'ab', 'EUR', 'DE', 'en', '0.00', '1.50', '+4930123456'],
  ...['9783161484100', '0'.repeat(64), 'a-1', 'A-1', 'a_b', 'a.b', 'A00:12:34:05', '#a1b2c3'],
];
const maxDepth = 16;

/**
 * A value that a schema takes, for people to read: the author's own where the schema has `examples`,
 * else one made of the fields' names.
 *
 * @returns undefined where none is found, as for a text of an unusual pattern
 */
export function sampleOf(schema: z.ZodType): unknown {
  try {
    const json = toJsonSchema(schema, 'input');
    const whole = [{ optional: true }, { optional: false }].map((choice) => make(json, '', choice));
    return whole.find((value) => value !== undefined && schema.safeParse(value).success);
  } catch {
    // A pattern that is none of JavaScript's, or code of the schema that throws.
    return undefined;
  }
}

interface Choice {
  /** Whether fields that may be left out are there. */
  readonly optional: boolean;
  readonly definitions?: JsonSchema;
  readonly depth?: number;
}

function make(schema: JsonSchema, name: string, choice: Choice): unknown {
  const depth = (choice.depth ?? 0) + 1;
  if (depth > maxDepth) return undefined;
  const definitions = choice.definitions ?? (schema.$defs as JsonSchema | undefined) ?? {};
  const within = { ...choice, definitions, depth };
  const { examples, enum: values, anyOf, oneOf, allOf, $ref } = schema;
  if (Array.isArray(examples)) return examples[0];
  if ('const' in schema) return schema.const;
  if (Array.isArray(values)) return values[0];
  if (typeof $ref === 'string') {
    const target = $ref === '#' ? undefined : definitions[$ref.split('/').at(-1) ?? ''];
    return target && make(target as JsonSchema, name, within);
  }
  const ways = anyOf ?? oneOf;
  if (Array.isArray(ways)) {
    return ways
      .map((way: JsonSchema) => make(way, name, within))
      .find((value) => value !== undefined);
  }
  if (Array.isArray(allOf)) {
    return Object.assign({}, ...allOf.map((part: JsonSchema) => make(part, name, within)));
  }
  return makeOfType(schema, name, within);
}

function makeOfType(schema: JsonSchema, name: string, choice: Choice): unknown {
  switch (schema.type) {
    case 'object':
      return makeObject(schema, choice);
    case 'array': {
      const { prefixItems, items, minItems = 1 } = schema;
      if (Array.isArray(prefixItems)) return prefixItems.map((item) => make(item, name, choice));
      const item = make((items ?? {}) as JsonSchema, name.replace(/s$/, ''), choice);
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

function makeObject({ properties = {}, required = [] }: JsonSchema, choice: Choice): unknown {
  const made: [string, unknown][] = [];
  for (const [name, property] of Object.entries(properties as JsonSchema)) {
    const isRequired = (required as string[]).includes(name);
    if (!isRequired && !choice.optional) continue;
    const value = make(property as JsonSchema, name, choice);
    if (value !== undefined) made.push([name, value]);
    else if (isRequired) return undefined;
  }
  return Object.fromEntries(made);
}

/** `bookId` is "book-1", `title` is "title". */
function makeText(schema: JsonSchema, name: string): string | undefined {
  const { minLength = 0, maxLength = Infinity, pattern = '', format } = schema;
  const shape = new RegExp(String(pattern), 'u');
  const own = name.replace(/(?<=.)Id$/, '-1');
  const base = format === undefined ? [own, ...texts] : texts;
  const padded = [...base, own.padEnd(Number(minLength), '.')];
  return padded.find(
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
