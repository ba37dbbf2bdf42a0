import { PrismaPg } from '@prisma/adapter-pg';
import type { Pool } from 'pg';
import { PrismaClient } from '../../generated/client.ts';
import { scopeStatement, searchScope } from '../client/transaction.sql.ts';

/** The part of Prisma's client that reads rows of one tenant. */
export type TenantPrisma = Pick<
  PrismaClient,
  'tenant' | 'event' | 'record' | 'conflict' | 'effect' | 'replay' | '$queryRawUnsafe'
>;

/** Longer than the pool waits, so that the pool's errors come first. Less than a request may take. */
const maxMs = 18_000;

/** Prisma on the pool of the service, for the queries that are not on the hot path. */
export function createPrisma(pool: Pool): PrismaClient {
  return new PrismaClient({
    adapter: new PrismaPg(pool),
    transactionOptions: { maxWait: maxMs, timeout: maxMs },
  });
}

/**
 * Reads in one transaction, which sees the rows of this tenant only.
 *
 * @param read must not write: docs/adr/0003 says how Prisma commits
 */
export function readInTenantScope<Result>(
  prisma: PrismaClient,
  tenantId: string,
  read: (tenant: TenantPrisma) => Promise<Result>,
): Promise<Result> {
  return prisma.$transaction(async (transaction) => {
    const { text, values } = scopeStatement(searchScope(tenantId));
    await transaction.$queryRawUnsafe(text, ...values);
    return read(transaction);
  });
}
