import fc from 'fast-check';
import { openapi, type Schema } from '../testkit/documented.ts';
import { hostileTexts } from './mutations.ts';

/** Any value that a schema of openapi.yaml describes, by the schema alone. */
export function arbitraryOf(schema: Schema): fc.Arbitrary<unknown> {
  if ('const' in schema) return fc.constant(schema.const);
  if (typeof schema.$ref === 'string') return arbitraryOf(resolve(schema.$ref));
  if (Array.isArray(schema.enum)) return fc.constantFrom(...(schema.enum as unknown[]));
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices)) return fc.oneof(...choices.map((one: Schema) => arbitraryOf(one)));
  if (Array.isArray(schema.type)) {
    const types: unknown[] = schema.type;
    return fc.oneof(...types.map((type) => arbitraryOf({ ...schema, type })));
  }
  if (Array.isArray(schema.allOf)) return fc.oneof(...schema.allOf.map(ruled(schema)));
  return arbitraryOfType(schema);
}

export function schemaNamed(name: string): Schema {
  const schema = openapi.components.schemas[name];
  if (!schema) throw new Error(`no schema ${name}`);
  return schema;
}

function resolve(ref: string): Schema {
  return schemaNamed(ref.split('/').at(-1) ?? '');
}

/** One `if`, met, with its `then`: the rest of the schema is that of an object. */
function ruled({ allOf: _rules, ...schema }: Schema) {
  return (rule: Schema): fc.Arbitrary<unknown> => {
    const given = rule.if as ObjectSchema;
    const then = rule.then as ObjectSchema;
    const properties = {
      ...(schema as ObjectSchema).properties,
      ...given.properties,
      ...then.properties,
    };
    return arbitraryOf({ ...schema, properties });
  };
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
}

function arbitraryOfType(schema: Schema): fc.Arbitrary<unknown> {
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

/** Small ones too: they are versions and amounts that can be met. */
function integers(
  min = Number.MIN_SAFE_INTEGER,
  max = Number.MAX_SAFE_INTEGER,
): fc.Arbitrary<number> {
  const low = Math.max(min, -5);
  return fc.oneof(fc.integer({ min: low, max: Math.min(max, low + 10) }), fc.integer({ min, max }));
}

/** As docs/protocol.md says it. */
const isIdentifier = (text: string) =>
  !['.', '..'].includes(text) &&
  !/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\u{1D159}\u{16FE4}]/u.test(text);

/** Few, so that events meet, and any. */
export const names = fc.oneof(
  fc.constantFrom('n1', 'lost', 'k', 'note', 'constructor', '../x', "' OR 1=1", 'a/b?c#d', '%2F'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }).filter(isIdentifier),
);

function texts({ pattern, format, minLength = 0, maxLength = 40 }: Schema): fc.Arbitrary<string> {
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
  const spoken = fc.string({ unit: 'grapheme', minLength: min, maxLength: max });
  const fitting = hostileTexts.filter((text) => text.length >= min && text.length <= max);
  return fc.oneof(
    { weight: 4, arbitrary: spoken.map((text) => text.slice(0, max)) },
    fc.constantFrom('x'.repeat(min), ...fitting),
  );
}

function lists({ items = {}, minItems = 0, maxItems = 4 }: Schema): fc.Arbitrary<unknown[]> {
  return fc.array(arbitraryOf(items as Schema), {
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
