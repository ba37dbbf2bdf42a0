import { z } from 'zod';
import { canonicalJson, sha256 } from '../fingerprint.ts';
import type { KindRegistry } from './registry.ts';

/** A schema that clients may use already: of a version of a kind's payload, or of an entity type's data. */
export interface ShippedSchema {
  readonly schemaOf: 'payload' | 'record';
  /** Of the kind, or of the entity type. */
  readonly name: string;
  readonly version: number;
  /** The schema as JSON Schema without descriptions, in canonical JSON. */
  readonly schema: string;
  /** SHA-256 of it. */
  readonly fingerprint: Buffer;
}

/** All schemas of the kinds, ordered by name and version. */
export function listSchemas({ kinds, entityTypes }: KindRegistry): readonly ShippedSchema[] {
  const payloads = kinds.flatMap((kind) =>
    versionsUpTo(kind.newestVersion).map((version) =>
      toShippedSchema('payload', kind.name, version, kind.schemaOf(version)),
    ),
  );
  const records = entityTypes.flatMap(({ name, data }) =>
    versionsUpTo(data.newest).map((version) =>
      toShippedSchema('record', name, version, data.schemaOf(version)),
    ),
  );
  return [...payloads, ...records].sort((one, other) =>
    schemaKey(one) < schemaKey(other) ? -1 : 1,
  );
}

function toShippedSchema(
  schemaOf: ShippedSchema['schemaOf'],
  name: string,
  version: number,
  zodSchema: z.ZodType | undefined,
): ShippedSchema {
  if (!zodSchema) throw new Error(`${name} has no version ${version}`);
  const schema = canonicalJson(toJsonSchema(zodSchema));
  return { schemaOf, name, version, schema, fingerprint: sha256(schema) };
}

/** Two schemas that accept the same values in the same way have the same text, even if they are written differently. */
function toJsonSchema(schema: z.ZodType): object {
  return z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      delete jsonSchema.description;
      delete jsonSchema.title;
      delete jsonSchema.examples;
      jsonSchema.required?.sort();
    },
  });
}

/** A text that identifies a schema. Schemas are sorted by it too. */
export function schemaKey({
  schemaOf,
  name,
  version,
}: Pick<ShippedSchema, 'schemaOf' | 'name' | 'version'>): string {
  return `${schemaOf}\n${name}\n${String(version).padStart(10, '0')}`;
}

function versionsUpTo(newest: number): readonly number[] {
  return Array.from({ length: newest }, (_, index) => index + 1);
}

const maxDifferences = 3;
const maxValueLength = 60;

/** The first differences between two JSON values: `properties.title.maxLength was 300, is 200`. */
export function describeDifferences(before: unknown, after: unknown): string {
  const differences = differencesOf(before, after, []);
  const shown = differences.slice(0, maxDifferences);
  const omitted = differences.length - shown.length;
  return [...shown, ...(omitted > 0 ? [`${omitted} more`] : [])].join('; ');
}

function differencesOf(
  before: unknown,
  after: unknown,
  path: readonly string[],
): readonly string[] {
  if (isStructure(before) && isStructure(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...names]
      .sort()
      .flatMap((name) => differencesOf(own(before, name), own(after, name), [...path, name]));
  }
  const [was, is] = [printValue(before), printValue(after)];
  return was === is ? [] : [`${path.join('.') || 'the schema'} was ${was}, is ${is}`];
}

function isStructure(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function own(value: object, name: string): unknown {
  return Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}

function printValue(value: unknown): string {
  const text = value === undefined ? 'not there' : JSON.stringify(value);
  return text.length > maxValueLength ? `${text.slice(0, maxValueLength)}…` : text;
}
