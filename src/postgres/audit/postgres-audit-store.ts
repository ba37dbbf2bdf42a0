import type { AuditStore } from '../../audit/audit-store.ts';
import type { PrismaClient } from '../../generated/client.ts';
import { toStoreError } from '../client/errors.ts';
import type { SchemaPool } from '../client/pool.ts';
import { runInOneRoundTrip, tenantScope } from '../client/transaction.sql.ts';
import { isOutdated, type TenantNumbers } from '../tenants/tenant-numbers.ts';
import { readInTenantScope, type TenantPrisma } from './prisma.ts';
import { toPrismaStoreError } from './prisma-errors.ts';
import { findConflict, listConflicts } from './read-conflicts.ts';
import { findReceipts, readHistory } from './read-history.ts';
import { upsertResends } from './upsert-resends.sql.ts';

export function createAuditStore(
  pool: SchemaPool,
  client: PrismaClient,
  numbers: TenantNumbers,
): AuditStore {
  /** @returns undefined where the tenant has no row */
  async function readAs<Result>(
    tenantId: string,
    read: (prisma: TenantPrisma, tenantNo: number) => Promise<Result>,
  ): Promise<Result | undefined> {
    try {
      return await numbers.with(tenantId, (tenantNo) =>
        readInTenantScope(client, { tenantNo, tables: pool }, async (prisma) => {
          const tenant = await prisma.tenant.findUnique({ where: { no: tenantNo } });
          return tenant?.id === tenantId ? read(prisma, tenantNo) : isOutdated;
        }),
      );
    } catch (error) {
      throw toPrismaStoreError(toStoreError(error));
    }
  }

  const nothing = { entries: [], next: null };

  return {
    listConflicts: async (filter) =>
      (await readAs(filter.tenantId, (prisma, no) => listConflicts(prisma, no, filter))) ?? nothing,
    findConflict: (tenantId, key) =>
      readAs(tenantId, (prisma, no) => findConflict(prisma, no, key)),
    readHistory: async (query) =>
      (await readAs(query.tenantId, (prisma, no) => readHistory(prisma, no, query))) ?? nothing,
    findReceipts: async (tenantId, keys) =>
      (await readAs(tenantId, (prisma, no) => findReceipts(prisma, no, keys))) ?? new Map(),
    async addResends(counts) {
      const tenants = [...new Set(counts.map(({ tenantId }) => tenantId))];
      try {
        const known = await numbers.find(tenants);
        const rows = counts.flatMap((count) => {
          const tenantNo = known.get(count.tenantId);
          return tenantNo === undefined ? [] : [{ tenantNo, row: count }];
        });
        await runInOneRoundTrip(pool, tenantScope([...known.values()]), (sender) =>
          upsertResends(sender, rows, pool.form),
        );
      } catch (error) {
        throw toStoreError(error);
      }
    },
  };
}
