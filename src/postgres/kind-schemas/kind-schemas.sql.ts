import type { QueryConfig } from 'pg';
import type { ShippedSchema } from '../../domain/kinds/shipped-schemas.ts';
import { bytea, int4, json, text } from '../client/binary-array.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { column, type ColumnsFor, defineRowSet } from '../client/row-set.ts';

/** Next to the advisory locks of the migrations and of retention. */
const kindSchemasLock = 72_707_371;

const lockText = 'SELECT pg_advisory_xact_lock($1)';

/** Takes the lock until the transaction ends. Processes that start at once compare and store one after the other. */
export async function lockKindSchemas(sender: StatementSender): Promise<void> {
  await sender.query({ text: lockText, values: [kindSchemasLock] });
}

const readText = `
SELECT schema_of AS "schemaOf", name, version, fingerprint, schema::text AS schema
FROM kind_schemas`;

/** Every schema that was stored in this database. */
export async function readKindSchemas(sender: StatementSender): Promise<readonly ShippedSchema[]> {
  const { rows } = await sender.query<ShippedSchema & object>({ text: readText });
  return rows;
}

const schemas = defineRowSet<ShippedSchema>({
  schema_of: column(text, (row) => row.schemaOf),
  name: column(text, (row) => row.name),
  version: column(int4, (row) => row.version),
  fingerprint: column(bytea, (row) => row.fingerprint),
  schema: column(json, (row) => row.schema),
} satisfies ColumnsFor<ShippedSchema, ShippedSchema>);

const upsertText = `
INSERT INTO kind_schemas (${schemas.columns})
SELECT ${schemas.columns}
FROM ${schemas.unnest('shipped')}
ON CONFLICT (schema_of, name, version) DO UPDATE SET
  fingerprint = excluded.fingerprint,
  schema = excluded.schema,
  seen_at = excluded.seen_at`;

/** Stores new schemas and replaces changed ones. */
export function upsertKindSchemas(rows: readonly ShippedSchema[]): QueryConfig {
  return { text: upsertText, values: schemas.values(rows) };
}
