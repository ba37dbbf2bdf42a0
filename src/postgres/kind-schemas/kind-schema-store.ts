import type { Pool } from 'pg';
import { schemaKey, type ShippedSchema } from '../../domain/kinds/schema-fingerprints.ts';
import { lockKindSchemas } from './lock-kind-schemas.sql.ts';
import { readKindSchemas } from './read-kind-schemas.sql.ts';
import { operatorScope, runInTransaction } from '../client/transaction.sql.ts';
import { upsertKindSchemas } from './upsert-kind-schemas.sql.ts';

/** A version whose schema is another than the one that was shipped. */
export interface ChangedSchema {
  readonly before: ShippedSchema;
  readonly after: ShippedSchema;
}

export interface KindSchemaStore {
  /**
   * Compares the schemas with those that the database saw before, and stores what is new or changed.
   *
   * @param judge told of the changed ones, where there are any; where it throws, nothing is stored
   */
  keep(
    shipped: readonly ShippedSchema[],
    judge: (changed: readonly ChangedSchema[]) => void,
  ): Promise<void>;
}

/** @param pool of the tables' owner */
export function createKindSchemaStore(pool: Pool): KindSchemaStore {
  return {
    async keep(shipped, judge) {
      const client = await pool.connect();
      try {
        await runInTransaction(client, operatorScope, async () => {
          await lockKindSchemas(client);
          const seen = new Map((await readKindSchemas(client)).map((row) => [schemaKey(row), row]));
          const isSame = (after: ShippedSchema) =>
            seen.get(schemaKey(after))?.fingerprint.equals(after.fingerprint) === true;
          const unlike = shipped.filter((after) => !isSame(after));
          const changed = unlike.flatMap((after): ChangedSchema[] => {
            const before = seen.get(schemaKey(after));
            return before ? [{ before, after }] : [];
          });
          if (changed.length > 0) judge(changed);
          if (unlike.length > 0) await client.query(upsertKindSchemas(unlike));
        });
      } finally {
        client.release();
      }
    },
  };
}
