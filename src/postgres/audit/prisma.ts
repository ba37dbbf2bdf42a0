import { PrismaPg } from '@prisma/adapter-pg';
import type { Pool } from 'pg';
import { PrismaClient } from '../../generated/client.ts';
import { searchScope, settingsOf, settingsText } from '../client/transaction.sql.ts';

/** The tables that are read by way of Prisma. */
export type TenantPrisma = Pick<
  PrismaClient,
  'tenant' | 'event' | 'record' | 'conflict' | 'effect' | 'replay' | '$queryRawUnsafe'
>;

/** Longer than the pool waits, so that its errors are the ones to be met; less than a request may take. */
const longestMs = 18_000;

/** Prisma on the process's own pool, for every query that is not hot. */
export function createPrisma(pool: Pool): PrismaClient {
  return new PrismaClient({
    adapter: new PrismaPg(pool),
    transactionOptions: { maxWait: longestMs, timeout: longestMs },
  });
}

/**
 * Reads in one transaction, which sees this tenant and no other.
 *
 * @param read only reads: see docs/adr/0003 for how Prisma commits
 */
export function readInTenantScope<Result>(
  prisma: PrismaClient,
  tenantId: string,
  read: (tenant: TenantPrisma) => Promise<Result>,
): Promise<Result> {
  return prisma.$transaction(async (transaction) => {
    await transaction.$queryRawUnsafe(settingsText, ...settingsOf(searchScope(tenantId)));
    return read(transaction);
  });
}
