import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { runIngest } from './ingest-transaction.ts';
import { isTransient, maxAttempts, toStorageError } from './pg-errors.ts';
import { ensureTenants } from './sql/ensure-tenants.ts';
import { readHeads } from './sql/read-heads.ts';
import { readPage } from './sql/read-page.ts';
import { forSearch, forTenants, inOneTrip, type Scope } from './sql/transaction.ts';
import type { FeedPage, FeedQuery, SyncStore } from './store.ts';

export interface StoreHooks {
  /** A transaction met a deadlock or a timeout and is run again. */
  readonly onRetry: (error: unknown, attempt: number) => void;
}

export function createPostgresStore(pool: Pool, { onRetry }: StoreHooks): SyncStore {
  return {
    async ingest(batches, decide) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await runIngest(pool, batches, decide);
        } catch (error) {
          // As a group it would make tenants wait for each other: the caller runs it batch by batch.
          if (isTransient(error) && batches.length > 1) throw error;
          if (!isTransient(error) || attempt >= maxAttempts(error)) throw toStorageError(error);
          onRetry(error, attempt);
          // Apart from each other, so that two that met once do not meet again.
          await sleep(Math.random() * 20 * 2 ** attempt);
        }
      }
    },

    async readHeads(queries) {
      try {
        const scope = forTenants([...new Set(queries.map(({ tenantId }) => tenantId))]);
        return await inOneTrip(pool, scope, (trip) => readHeads(trip, queries));
      } catch (error) {
        throw toStorageError(error);
      }
    },

    async readPage(query) {
      try {
        const page = await inOneTrip(pool, scopeOf(query), (trip) => readPage(trip, query));
        return page ?? (await readFirstPage(pool, query));
      } catch (error) {
        throw toStorageError(error);
      }
    },
  };
}

/** Of a type that is rare the records are found by it, and not by walking through all the others. */
function scopeOf({ tenantId, entityTypes, kept }: FeedQuery): Scope {
  const isOfSomeTypes = entityTypes.length > 0 || kept.length > 0;
  return isOfSomeTypes ? forSearch(tenantId) : forTenants([tenantId]);
}

/** A tenant's first contact: its checkpoints need an epoch, even before it has an event. */
async function readFirstPage(pool: Pool, query: FeedQuery): Promise<FeedPage> {
  const [, page] = await inOneTrip(pool, forTenants([query.tenantId]), (trip) =>
    Promise.all([ensureTenants(trip, [query.tenantId]), readPage(trip, query)]),
  );
  if (!page) throw new Error('a tenant that was just made has no row');
  return page;
}
