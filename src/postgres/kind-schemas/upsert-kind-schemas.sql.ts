import type { QueryConfig } from 'pg';
import type { ShippedSchema } from '../../domain/kinds/schema-fingerprints.ts';
import { bytea, int4, json, text } from '../client/binary-array.ts';
import { column, defineRowSet } from '../client/row-set.ts';

const schemas = defineRowSet<ShippedSchema>({
  schema_of: column(text, (row) => row.schemaOf),
  name: column(text, (row) => row.name),
  version: column(int4, (row) => row.version),
  fingerprint: column(bytea, (row) => row.fingerprint),
  schema: column(json, (row) => row.schema),
});

const upsertText = `
INSERT INTO kind_schemas (${schemas.columns})
SELECT ${schemas.columns}
FROM ${schemas.unnest('shipped')}
ON CONFLICT (schema_of, name, version) DO UPDATE SET
  fingerprint = excluded.fingerprint,
  schema = excluded.schema,
  seen_at = excluded.seen_at`;

/** Stores new ones, and replaces those that are there. */
export function upsertKindSchemas(rows: readonly ShippedSchema[]): QueryConfig {
  return { text: upsertText, values: schemas.values(rows) };
}
