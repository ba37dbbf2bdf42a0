import type { Pool } from 'pg';
import type { PrismaClient } from '../../generated/client.ts';
import type { AuditStore } from '../../audit/audit-store.ts';
import { toStoreError } from '../client/errors.ts';
import { runInOneRoundTrip, tenantScope } from '../client/transaction.sql.ts';
import { readInTenantScope, type TenantPrisma } from './prisma.ts';
import { toPrismaStoreError } from './prisma-errors.ts';
import { findConflict, listConflicts } from './read-conflicts.ts';
import { findReceipts, readHistory } from './read-history.ts';
import { upsertResends } from './upsert-resends.sql.ts';

export function createAuditStore(pool: Pool, client: PrismaClient): AuditStore {
  async function readAs<Result>(
    tenantId: string,
    read: (prisma: TenantPrisma) => Promise<Result>,
  ): Promise<Result> {
    try {
      return await readInTenantScope(client, tenantId, read);
    } catch (error) {
      throw toPrismaStoreError(error);
    }
  }

  return {
    listConflicts: (filter) => readAs(filter.tenantId, (prisma) => listConflicts(prisma, filter)),
    findConflict: (tenantId, key) =>
      readAs(tenantId, (prisma) => findConflict(prisma, tenantId, key)),
    readHistory: (query) => readAs(query.tenantId, (prisma) => readHistory(prisma, query)),
    findReceipts: (tenantId, keys) =>
      readAs(tenantId, (prisma) => findReceipts(prisma, tenantId, keys)),
    async addResends(counts) {
      const tenants = [...new Set(counts.map(({ tenantId }) => tenantId))];
      try {
        await runInOneRoundTrip(pool, tenantScope(tenants), (sender) =>
          upsertResends(sender, counts),
        );
      } catch (error) {
        throw toStoreError(error);
      }
    },
  };
}
