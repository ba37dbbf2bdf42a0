import type { Pool } from 'pg';
import type { PrismaClient } from '../generated/client.ts';
import type { AuditStore } from './audit.ts';
import { findConflict, listConflicts } from './audit-conflicts.ts';
import { findReceipts, readHistory } from './audit-history.ts';
import { toStorageError } from './pg-errors.ts';
import { prismaFor } from './prisma.ts';
import { toPrismaStorageError } from './prisma-errors.ts';
import { forTenants, inOneTrip } from './sql/transaction.ts';
import { upsertReplays } from './sql/upsert-replays.ts';

export function createAuditStore(pool: Pool, prisma: PrismaClient): AuditStore {
  const as = (tenantId: string) => prismaFor(prisma, tenantId);
  return {
    listConflicts: (filter) => reading(listConflicts(as(filter.tenantId), filter)),
    findConflict: (tenantId, key) => reading(findConflict(as(tenantId), tenantId, key)),
    readHistory: (query) => reading(readHistory(as(query.tenantId), query)),
    findReceipts: (tenantId, keys) => reading(findReceipts(as(tenantId), tenantId, keys)),
    async addReplays(counts) {
      const tenants = [...new Set(counts.map(({ tenantId }) => tenantId))];
      try {
        await inOneTrip(pool, forTenants(tenants), (client) => upsertReplays(client, counts));
      } catch (error) {
        throw toStorageError(error);
      }
    },
  };
}

async function reading<Result>(query: Promise<Result>): Promise<Result> {
  try {
    return await query;
  } catch (error) {
    throw toPrismaStorageError(error);
  }
}
