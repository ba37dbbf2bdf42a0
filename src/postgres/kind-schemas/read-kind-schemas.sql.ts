import type { ShippedSchema } from '../../domain/kinds/schema-fingerprints.ts';
import type { StatementSender } from '../client/pipeline.ts';

const text = `
SELECT schema_of AS "schemaOf", name, version, fingerprint, schema::text AS schema
FROM kind_schemas`;

/** Every schema that this database has seen. */
export async function readKindSchemas(sender: StatementSender): Promise<readonly ShippedSchema[]> {
  const { rows } = await sender.query<ShippedSchema & object>({ text });
  return rows;
}
