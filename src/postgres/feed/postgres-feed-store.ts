import type { Pool } from 'pg';
import type { FeedPage, FeedQuery, FeedStore } from '../../feed/feed-store.ts';
import { toStoreError } from '../client/errors.ts';
import {
  searchScope,
  tenantScope,
  runInOneRoundTrip,
  type TransactionScope,
} from '../client/transaction.sql.ts';
import { ensureTenants } from '../ingest/ensure-tenants.sql.ts';
import { readHeads } from './read-heads.sql.ts';
import { readPage } from './read-page.sql.ts';

export function createFeedStore(pool: Pool): FeedStore {
  return {
    async readHeads(queries) {
      try {
        const scope = tenantScope([...new Set(queries.map(({ tenantId }) => tenantId))]);
        return await runInOneRoundTrip(pool, scope, (trip) => readHeads(trip, queries));
      } catch (error) {
        throw toStoreError(error);
      }
    },

    async readPage(query) {
      try {
        const page = await runInOneRoundTrip(pool, scopeOf(query), (trip) => readPage(trip, query));
        return page ?? (await readFirstPage(pool, query));
      } catch (error) {
        throw toStoreError(error);
      }
    },
  };
}

/** Of a type that is rare the records are found by it, and not by walking through all the others. */
function scopeOf({ tenantId, entityTypes, kept }: FeedQuery): TransactionScope {
  const isOfSomeTypes = entityTypes.length > 0 || kept.length > 0;
  return isOfSomeTypes ? searchScope(tenantId) : tenantScope([tenantId]);
}

/** A tenant's first contact: its checkpoints need an epoch, even before it has an event. */
async function readFirstPage(pool: Pool, query: FeedQuery): Promise<FeedPage> {
  const [, page] = await runInOneRoundTrip(pool, tenantScope([query.tenantId]), (trip) =>
    Promise.all([ensureTenants(trip, [query.tenantId]), readPage(trip, query)]),
  );
  if (!page) throw new Error('a tenant that was just made has no row');
  return page;
}
