import { schemaKey, type ShippedSchema } from '../../domain/kinds/shipped-schemas.ts';
import type { SchemaPool } from '../client/pool.ts';
import { operatorScope, runInTransaction } from '../client/transaction.sql.ts';
import { lockKindSchemas, readKindSchemas, upsertKindSchemas } from './kind-schemas.sql.ts';

/** A version of a kind or of an entity type whose schema was changed after it was stored. */
export interface ChangedSchema {
  readonly before: ShippedSchema;
  readonly after: ShippedSchema;
}

export interface KindSchemaStore {
  /**
   * Compares the schemas with the stored ones, and stores those that are new or changed.
   *
   * @param onChanged called with the changed schemas where there are any; if it throws, nothing is stored
   */
  keep(
    shipped: readonly ShippedSchema[],
    onChanged: (changed: readonly ChangedSchema[]) => void,
  ): Promise<void>;
}

/** @param pool whose login owns the tables */
export function createKindSchemaStore(pool: SchemaPool): KindSchemaStore {
  return {
    async keep(shipped, onChanged) {
      const client = await pool.connect();
      try {
        await runInTransaction(client, operatorScope, pool, async () => {
          await lockKindSchemas(client);
          const stored = new Map(
            (await readKindSchemas(client)).map((schema) => [schemaKey(schema), schema]),
          );
          const isStored = (schema: ShippedSchema) =>
            stored.get(schemaKey(schema))?.fingerprint.equals(schema.fingerprint) === true;
          const newOrChanged = shipped.filter((schema) => !isStored(schema));
          const changed = newOrChanged.flatMap((after): ChangedSchema[] => {
            const before = stored.get(schemaKey(after));
            return before ? [{ before, after }] : [];
          });
          if (changed.length > 0) onChanged(changed);
          if (newOrChanged.length > 0) await client.query(upsertKindSchemas(newOrChanged));
        });
      } finally {
        client.release();
      }
    },
  };
}
