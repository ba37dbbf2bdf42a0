import type { z } from 'zod';
import { entityTypeRule } from '../record.ts';
import { isEntityType } from './check-output.ts';
import { SchemaVersions } from './schema-versions.ts';

/** An entity type whose records' data has versions. */
export interface EntityType {
  readonly name: string;
  readonly data: SchemaVersions<object>;
}

/**
 * Gives an entity type versions of the data that its records hold.
 *
 * @throws Error where the name is no entity type, or the data is not made by recordData
 */
export function entityType<Data extends object>(
  name: string,
  data: SchemaVersions<Data>,
): EntityType {
  if (!isEntityType(name)) throw new Error(`${JSON.stringify(name)} ${entityTypeRule}`);
  if (!(data instanceof SchemaVersions)) {
    throw new Error(`entity type ${name}: its data is not made by recordData(schema)`);
  }
  return { name, data };
}

/**
 * Starts the versions of a record's data, with what the first kinds wrote. Later:
 * `recordData(v1).next(v2, (older) => …)`.
 */
export function recordData<Data extends object>(schema: z.ZodType<Data>): SchemaVersions<Data> {
  return SchemaVersions.first(schema);
}

export function entityTypeName(type: string | EntityType): string {
  return typeof type === 'string' ? type : type.name;
}
