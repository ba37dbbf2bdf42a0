import type { Pool } from 'pg';
import type { PrismaClient } from '../../generated/client.ts';
import type { AuditStore } from '../../audit/audit-store.ts';
import { findConflict, listConflicts } from './read-conflicts.ts';
import { findReceipts, readHistory } from './read-history.ts';
import { toStoreError } from '../client/errors.ts';
import { readInTenantScope, type TenantPrisma } from './prisma.ts';
import { toPrismaStoreError } from './prisma-errors.ts';
import { tenantScope, runInOneRoundTrip } from '../client/transaction.sql.ts';
import { upsertResends } from './upsert-resends.sql.ts';

export function createAuditStore(pool: Pool, prisma: PrismaClient): AuditStore {
  async function reading<Result>(
    tenantId: string,
    read: (tenant: TenantPrisma) => Promise<Result>,
  ): Promise<Result> {
    try {
      return await readInTenantScope(prisma, tenantId, read);
    } catch (error) {
      throw toPrismaStoreError(error);
    }
  }

  return {
    listConflicts: (filter) => reading(filter.tenantId, (tenant) => listConflicts(tenant, filter)),
    findConflict: (tenantId, key) =>
      reading(tenantId, (tenant) => findConflict(tenant, tenantId, key)),
    readHistory: (query) => reading(query.tenantId, (tenant) => readHistory(tenant, query)),
    findReceipts: (tenantId, keys) =>
      reading(tenantId, (tenant) => findReceipts(tenant, tenantId, keys)),
    async addResends(counts) {
      const tenants = [...new Set(counts.map(({ tenantId }) => tenantId))];
      try {
        await runInOneRoundTrip(pool, tenantScope(tenants), (trip) => upsertResends(trip, counts));
      } catch (error) {
        throw toStoreError(error);
      }
    },
  };
}
