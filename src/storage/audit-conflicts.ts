import type { Conflict } from '../generated/client.ts';
import { type EntityRef, entityKey, type StoredRecord } from '../protocol/record.ts';
import type { ConflictFilter, Page, StoredConflict } from './audit.ts';
import { cutPage, findEvents, toResolution, toStoredRecord } from './audit-rows.ts';
import type { TenantPrisma } from './prisma.ts';

const ofState = {
  open: { resolvedVersion: null },
  resolved: { resolvedVersion: { not: null } },
  all: {},
} as const;

export async function listConflicts(
  prisma: TenantPrisma,
  filter: ConflictFilter,
): Promise<Page<StoredConflict>> {
  const { tenantId, state, entityType, entityId, after, limit } = filter;
  const rows = await prisma.conflict.findMany({
    where: {
      tenantId,
      version: { gt: BigInt(after) },
      ...ofState[state],
      ...(entityType !== undefined && { entityType }),
      ...(entityId !== undefined && { entityId }),
    },
    orderBy: { version: 'asc' },
    take: limit + 1,
  });
  const { entries, nextAfter } = cutPage(rows, limit);
  return { entries: await toStoredConflicts(prisma, tenantId, entries), nextAfter };
}

export async function findConflict(
  prisma: TenantPrisma,
  tenantId: string,
  identityKey: string,
): Promise<StoredConflict | undefined> {
  const event = await prisma.event.findUnique({
    where: { tenantId_identityKey: { tenantId, identityKey } },
    select: { version: true },
  });
  const row =
    event &&
    (await prisma.conflict.findUnique({
      where: { tenantId_version: { tenantId, version: event.version } },
    }));
  return row ? (await toStoredConflicts(prisma, tenantId, [row]))[0] : undefined;
}

/** Three statements however many rows: both events of each, and the records as they stand. */
async function toStoredConflicts(
  prisma: TenantPrisma,
  tenantId: string,
  rows: readonly Conflict[],
): Promise<readonly StoredConflict[]> {
  const versions = rows.flatMap(({ version, resolvedVersion }) => [version, resolvedVersion]);
  const [events, records] = await Promise.all([
    findEvents(prisma, tenantId, versions),
    findRecords(prisma, tenantId, rows),
  ]);
  return rows.flatMap((row): StoredConflict[] => {
    const event = events.get(Number(row.version));
    const settling = events.get(Number(row.resolvedVersion));
    const resolution = toResolution(row.resolution);
    if (!event || (resolution && !settling)) return [];
    const settled = resolution && settling ? { resolution, event: settling } : null;
    return [{ event, current: records.get(entityKey(row)) ?? null, settled }];
  });
}

async function findRecords(
  prisma: TenantPrisma,
  tenantId: string,
  refs: readonly EntityRef[],
): Promise<ReadonlyMap<string, StoredRecord>> {
  const wanted = new Map(refs.map((ref) => [entityKey(ref), ref]));
  if (wanted.size === 0) return new Map();
  const either = [...wanted.values()].map(({ entityType, entityId }) => ({ entityType, entityId }));
  const rows = await prisma.record.findMany({ where: { tenantId, OR: either } });
  return new Map(rows.map((row) => [entityKey(row), toStoredRecord(row)]));
}
