import { z } from 'zod';
import { canonicalJson } from '../canonical-json.ts';
import { sha256 } from '../sha-256.ts';
import type { KindRegistry } from './registry.ts';

/** A schema that was shipped: of a version of a kind's payload, or of an entity type's data. */
export interface ShippedSchema {
  readonly schemaOf: 'payload' | 'record';
  /** Of the kind, or of the entity type. */
  readonly name: string;
  readonly version: number;
  /** Canonical JSON of the schema as JSON Schema, without words for people. */
  readonly schema: string;
  /** SHA-256 of it. */
  readonly fingerprint: Buffer;
}

/** Every schema of the kinds, in the order of their names and versions. */
export function listSchemas({ kinds, entityTypes }: KindRegistry): readonly ShippedSchema[] {
  const payloads = kinds.flatMap((kind) =>
    versionsTo(kind.newestVersion).map((version) =>
      describe('payload', kind.name, version, kind.schemaOf(version)),
    ),
  );
  const records = entityTypes.flatMap(({ name, data }) =>
    versionsTo(data.newest).map((version) =>
      describe('record', name, version, data.schemaOf(version)),
    ),
  );
  return [...payloads, ...records].sort((one, other) =>
    schemaKey(one) < schemaKey(other) ? -1 : 1,
  );
}

function describe(
  schemaOf: ShippedSchema['schemaOf'],
  name: string,
  version: number,
  zodSchema: z.ZodType | undefined,
): ShippedSchema {
  if (!zodSchema) throw new Error(`${name} has no version ${version}`);
  const schema = canonicalJson(toJsonSchema(zodSchema));
  return { schemaOf, name, version, schema, fingerprint: sha256(schema) };
}

/** What is written anew without a change of what is taken has the same text. */
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

/** One text for each of them, by which they are sorted too. */
export function schemaKey({
  schemaOf,
  name,
  version,
}: Pick<ShippedSchema, 'schemaOf' | 'name' | 'version'>): string {
  return `${schemaOf}\n${name}\n${String(version).padStart(10, '0')}`;
}

function versionsTo(newest: number): readonly number[] {
  return Array.from({ length: newest }, (_, index) => index + 1);
}
