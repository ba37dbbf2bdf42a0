import type { Pool } from 'pg';
import type { FeedPage, FeedQuery, FeedStore } from '../../feed/feed-store.ts';
import { toStoreError } from '../client/errors.ts';
import {
  searchScope,
  tenantScope,
  runInOneRoundTrip,
  type TransactionScope,
} from '../client/transaction.sql.ts';
import { ensureTenants } from '../ingest/tenant-heads.sql.ts';
import { readHeads } from './read-heads.sql.ts';
import { readPage } from './read-page.sql.ts';

export function createFeedStore(pool: Pool): FeedStore {
  return {
    async readHeads(queries) {
      try {
        const scope = tenantScope([...new Set(queries.map(({ tenantId }) => tenantId))]);
        return await runInOneRoundTrip(pool, scope, (sender) => readHeads(sender, queries));
      } catch (error) {
        throw toStoreError(error);
      }
    },

    async readPage(query) {
      try {
        const page = await runInOneRoundTrip(pool, scopeOf(query), (sender) =>
          readPage(sender, query),
        );
        return page ?? (await readFirstPage(pool, query));
      } catch (error) {
        throw toStoreError(error);
      }
    },
  };
}

/** With a custom plan the records of a rare type are found by their type, without a read of all other records. */
function scopeOf({ tenantId, entityTypes, kept }: FeedQuery): TransactionScope {
  const hasTypes = entityTypes.length > 0 || kept.length > 0;
  return hasTypes ? searchScope(tenantId) : tenantScope([tenantId]);
}

/** A new tenant gets its row, because its checkpoints need an epoch before its first event. */
async function readFirstPage(pool: Pool, query: FeedQuery): Promise<FeedPage> {
  const [, page] = await runInOneRoundTrip(pool, tenantScope([query.tenantId]), (sender) =>
    Promise.all([ensureTenants(sender, [query.tenantId]), readPage(sender, query)]),
  );
  if (!page) throw new Error('a tenant that was just inserted has no row');
  return page;
}
