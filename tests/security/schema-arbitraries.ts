import fc from 'fast-check';
import { openapi, type OpenApiSchema } from '../testkit/app/openapi-conformance.ts';
import { hostileTexts } from './mutations.ts';

/** Generates values that match a schema of openapi.yaml. */
export function arbitraryOf(schema: OpenApiSchema): fc.Arbitrary<unknown> {
  if ('const' in schema) return fc.constant(schema.const);
  if (typeof schema.$ref === 'string') return arbitraryOf(resolve(schema.$ref));
  if (Array.isArray(schema.enum)) return fc.constantFrom(...(schema.enum as unknown[]));
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices))
    return fc.oneof(...choices.map((choice: OpenApiSchema) => arbitraryOf(choice)));
  if (Array.isArray(schema.type)) {
    const types: unknown[] = schema.type;
    return fc.oneof(...types.map((type) => arbitraryOf({ ...schema, type })));
  }
  if (Array.isArray(schema.allOf)) return fc.oneof(...schema.allOf.map(applyRule(schema)));
  return arbitraryOfType(schema);
}

export function schemaNamed(name: string): OpenApiSchema {
  const schema = openapi.components.schemas[name];
  if (!schema) throw new Error(`no schema ${name}`);
  return schema;
}

function resolve(ref: string): OpenApiSchema {
  return schemaNamed(ref.split('/').at(-1) ?? '');
}

/** Generates objects that match one `if` of the schema, and its `then`. */
function applyRule({ allOf: _rules, ...schema }: OpenApiSchema) {
  return (rule: OpenApiSchema): fc.Arbitrary<unknown> => {
    const condition = rule.if as ObjectSchema;
    const then = rule.then as ObjectSchema;
    const properties = {
      ...(schema as ObjectSchema).properties,
      ...condition.properties,
      ...then.properties,
    };
    return arbitraryOf({ ...schema, properties });
  };
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, OpenApiSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: OpenApiSchema | boolean;
}

function arbitraryOfType(schema: OpenApiSchema): fc.Arbitrary<unknown> {
  const { minimum: min, maximum: max } = schema as { minimum?: number; maximum?: number };
  switch (schema.type) {
    case 'string':
      return texts(schema);
    case 'integer':
      return integers(min, max);
    case 'number':
      return fc.double({
        noNaN: true,
        noDefaultInfinity: true,
        min: min ?? -1e15,
        max: max ?? 1e15,
      });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return lists(schema);
    case 'object':
      return objects(schema);
    default:
      return fc.jsonValue({ maxDepth: 2, noUnicodeString: false });
  }
}

/** Any integers, and often small ones: as versions and amounts they exist. */
function integers(
  min = Number.MIN_SAFE_INTEGER,
  max = Number.MAX_SAFE_INTEGER,
): fc.Arbitrary<number> {
  const low = Math.max(min, -5);
  return fc.oneof(fc.integer({ min: low, max: Math.min(max, low + 10) }), fc.integer({ min, max }));
}

/** The rule of docs/protocol.md. */
const isIdentifier = (text: string) =>
  !['.', '..'].includes(text) &&
  !/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\u{1D159}\u{16FE4}]/u.test(text);

/** Names of a small set, so that events share them, and any other names. */
export const names = fc.oneof(
  fc.constantFrom('n1', 'lost', 'k', 'note', 'constructor', '../x', "' OR 1=1", 'a/b?c#d', '%2F'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }).filter(isIdentifier),
);

function texts({
  pattern,
  format,
  minLength = 0,
  maxLength = 40,
}: OpenApiSchema): fc.Arbitrary<string> {
  if (format === 'date-time') {
    const [min, max] = [new Date('1900-01-01T00:00:00Z'), new Date('2199-12-31T00:00:00Z')];
    const forms = fc.constantFrom<(text: string) => string>(
      (text) => text,
      (text) => text.toLowerCase(),
      (text) => text.replace('T', ' ').replace('Z', '+00:00'),
    );
    const times = fc.date({ min, max, noInvalidDate: true });
    return fc.tuple(times, forms).map(([date, write]) => write(date.toISOString()));
  }
  if (typeof pattern === 'string') {
    return pattern.includes('\\p{') ? names : fc.stringMatching(new RegExp(pattern));
  }
  const [min, max] = [Number(minLength), Math.min(Number(maxLength), Number(minLength) + 40)];
  const anyText = fc.string({ unit: 'grapheme', minLength: min, maxLength: max });
  const hostile = hostileTexts.filter((text) => text.length >= min && text.length <= max);
  return fc.oneof(
    { weight: 4, arbitrary: anyText.map((text) => text.slice(0, max)) },
    fc.constantFrom('x'.repeat(min), ...hostile),
  );
}

function lists({ items = {}, minItems = 0, maxItems = 4 }: OpenApiSchema): fc.Arbitrary<unknown[]> {
  return fc.array(arbitraryOf(items as OpenApiSchema), {
    minLength: Number(minItems),
    maxLength: Math.max(Number(minItems), Math.min(Number(maxItems), 4)),
  });
}

function objects(schema: ObjectSchema): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties } = schema;
  const known = fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, arbitraryOf(one)])),
    { requiredKeys: required as string[], noNullPrototype: true },
  );
  if (typeof additionalProperties !== 'object') return known;
  const values = arbitraryOf(additionalProperties);
  const more = fc.dictionary(fc.string({ maxLength: 5 }), values, {
    maxKeys: 3,
    noNullPrototype: true,
  });
  return fc.tuple(more, known).map(([some, fixed]) => ({ ...some, ...fixed }));
}
