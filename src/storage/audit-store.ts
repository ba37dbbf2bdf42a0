import type { Pool } from 'pg';
import type { PrismaClient } from '../generated/client.ts';
import type { AuditStore } from './audit.ts';
import { findConflict, listConflicts } from './audit-conflicts.ts';
import { findReceipts, readHistory } from './audit-history.ts';
import { toStorageError } from './pg-errors.ts';
import { toPrismaStorageError } from './prisma-errors.ts';
import { upsertReplays } from './sql/upsert-replays.ts';

export function createAuditStore(pool: Pool, prisma: PrismaClient): AuditStore {
  return {
    listConflicts: (filter) => reading(listConflicts(prisma, filter)),
    findConflict: (tenantId, key) => reading(findConflict(prisma, tenantId, key)),
    readHistory: (query) => reading(readHistory(prisma, query)),
    findReceipts: (tenantId, keys) => reading(findReceipts(prisma, tenantId, keys)),
    addReplays: (counts) =>
      upsertReplays(pool, counts).catch((error) => {
        throw toStorageError(error);
      }),
  };
}

async function reading<Result>(query: Promise<Result>): Promise<Result> {
  try {
    return await query;
  } catch (error) {
    throw toPrismaStorageError(error);
  }
}
