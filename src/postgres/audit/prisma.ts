import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '../../generated/client.ts';
import type { SchemaPool, Tables } from '../client/pool.ts';
import { scopeStatements, searchScope } from '../client/transaction.sql.ts';

/** The part of Prisma's client that reads rows of one tenant. */
export type TenantPrisma = Pick<
  PrismaClient,
  'tenant' | 'event' | 'record' | 'conflict' | 'effect' | 'resend' | '$queryRawUnsafe'
>;

/** Longer than the pool waits, so that the pool's errors come first. Less than a request may take. */
const maxMs = 18_000;

/** Prisma on the pool of the service, for the queries that are not on the hot path. */
export function createPrisma(pool: SchemaPool): PrismaClient {
  return new PrismaClient({
    adapter: new PrismaPg(pool, { schema: pool.schema }),
    transactionOptions: { maxWait: maxMs, timeout: maxMs },
  });
}

/** Whose rows a transaction reads, and from which tables. */
export interface ReadScope {
  readonly tenantNo: number;
  readonly tables: Tables;
}

/**
 * Reads in one transaction, which sees the rows of this tenant only.
 *
 * @param read must not write: docs/adr/0003 says how Prisma commits
 */
export function readInTenantScope<Result>(
  prisma: PrismaClient,
  { tenantNo, tables }: ReadScope,
  read: (tenant: TenantPrisma) => Promise<Result>,
): Promise<Result> {
  return prisma.$transaction(async (transaction) => {
    for (const { text, values = [] } of scopeStatements(searchScope(tenantNo), tables)) {
      await transaction.$queryRawUnsafe(text, ...values);
    }
    return read(transaction);
  });
}
