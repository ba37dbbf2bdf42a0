import { PrismaPg } from '@prisma/adapter-pg';
import type { Pool } from 'pg';
import { PrismaClient } from '../generated/client.ts';
import { forTenants, settingsOf, settingsText } from './sql/transaction.ts';

/** The tables that are read by way of Prisma. */
export type TenantPrisma = Pick<
  PrismaClient,
  'tenant' | 'event' | 'record' | 'conflict' | 'effect' | 'replay'
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

/** Each query in a transaction of its own, which sees this tenant and no other. */
export function prismaFor(prisma: PrismaClient, tenantId: string): TenantPrisma {
  const settings = settingsOf(forTenants([tenantId]));
  const extended = prisma.$extends({
    query: {
      $allModels: {
        async $allOperations({ args, query }) {
          const [, result] = await prisma.$transaction([
            prisma.$queryRawUnsafe(settingsText, ...settings),
            query(args),
          ]);
          return result;
        },
      },
    },
  });
  // Only what runs a query was changed, for which Prisma has no type.
  return extended as unknown as TenantPrisma;
}
