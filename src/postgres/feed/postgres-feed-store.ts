import type { FeedPage, FeedQuery, FeedStore } from '../../feed/feed-store.ts';
import { toStoreError } from '../client/errors.ts';
import type { SchemaPool } from '../client/pool.ts';
import {
  runInOneRoundTrip,
  searchScope,
  tenantScope,
  type TransactionScope,
} from '../client/transaction.sql.ts';
import { isOutdated, type TenantNumbers } from '../tenants/tenant-numbers.ts';
import type { ReadPage } from './page-parts.sql.ts';
import { readBootstrap } from './read-bootstrap.sql.ts';
import { readChanges } from './read-changes.sql.ts';
import { readHeads } from './read-heads.sql.ts';

export function createFeedStore(pool: SchemaPool, numbers: TenantNumbers): FeedStore {
  return {
    async readHeads(tenantIds) {
      try {
        const known = await numbers.find(tenantIds);
        const wanted = [...new Set(known.values())];
        const heads = await runInOneRoundTrip(pool, tenantScope(wanted), (sender) =>
          readHeads(sender, wanted),
        );
        const byId = new Map(heads.map((head) => [head.tenantId, head]));
        numbers.forget([...known.keys()].filter((tenantId) => !byId.has(tenantId)));
        return tenantIds.map((tenantId) => byId.get(tenantId));
      } catch (error) {
        throw toStoreError(error);
      }
    },

    async readPage(query) {
      const { tenantId } = query;
      try {
        for (;;) {
          // A new tenant gets its row, because its checkpoints need an epoch before its first event.
          await numbers.ensure([tenantId]);
          const page = await numbers.with(tenantId, async (no) => {
            const read = await readPage(pool, no, query);
            return read?.tenantId === tenantId ? read : isOutdated;
          });
          if (page) return toFeedPage(query, page);
        }
      } catch (error) {
        throw toStoreError(error);
      }
    },
  };
}

function readPage(
  pool: SchemaPool,
  tenantNo: number,
  query: FeedQuery,
): Promise<ReadPage | undefined> {
  const { bootstrap } = query;
  return runInOneRoundTrip(pool, scopeOf(tenantNo, query), (sender) =>
    bootstrap?.last
      ? readBootstrap(sender, tenantNo, query, { ...bootstrap, last: bootstrap.last })
      : readChanges(sender, tenantNo, query),
  );
}

/** With a custom plan the records of a rare type are found by their type, without a read of all other records. */
function scopeOf(tenantNo: number, { entityTypes, bootstrap }: FeedQuery): TransactionScope {
  const hasTypes = entityTypes.length > 0 || (bootstrap?.kept ?? []).length > 0;
  return hasTypes ? searchScope(tenantNo) : tenantScope([tenantNo]);
}

/** After the last record of a bootstrap come the changes that were made meanwhile. */
function toFeedPage({ after, bootstrap }: FeedQuery, page: ReadPage): FeedPage {
  if (!bootstrap?.last) return { ...page, hasMoreRecords: false };
  const head = Math.min(bootstrap.head, page.head);
  const hasChanges = page.head > head || (bootstrap.kept.length > 0 && after < head);
  return { ...page, hasMoreRecords: page.hasMore, hasMore: page.hasMore || hasChanges };
}
