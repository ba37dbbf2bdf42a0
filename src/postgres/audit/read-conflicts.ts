import type { Conflict } from '../../generated/client.ts';
import { entityKey, type EntityRef, type StoredRecord } from '../../domain/record.ts';
import type { ConflictFilter, Page, StoredConflict } from '../../audit/audit-store.ts';
import {
  cutPage,
  findEventReceipts,
  findEvents,
  measureEvents,
  toResolution,
  recordFromPrismaRow,
} from './rows.ts';
import type { TenantPrisma } from './prisma.ts';
import { type MeasuredRecord, measureRecordsText } from '../feed/measure-records.sql.ts';

/** Of an entry beside its payload and its record, about. */
const otherBytes = 1_000;

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
  const [payloads, records] = await Promise.all([
    measureEvents(
      prisma,
      tenantId,
      rows.map(({ version }) => version),
    ),
    measureRecords(prisma, tenantId, rows),
  ]);
  const { entries, nextAfter } = cutPage(rows, filter, (row) => {
    // What the payload would have written is shown beside it.
    const payload = 2 * (payloads.get(row.version) ?? 0);
    return otherBytes + payload + (records.get(entityKey(row)) ?? 0);
  });
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

/** Three statements however many rows: the events, those that settled them, and the records as they stand. */
async function toStoredConflicts(
  prisma: TenantPrisma,
  tenantId: string,
  rows: readonly Conflict[],
): Promise<readonly StoredConflict[]> {
  const [events, settlings, records] = await Promise.all([
    findEvents(
      prisma,
      tenantId,
      rows.map(({ version }) => version),
    ),
    findEventReceipts(
      prisma,
      tenantId,
      rows.map(({ resolvedVersion }) => resolvedVersion),
    ),
    findRecords(prisma, tenantId, rows),
  ]);
  return rows.flatMap((row): StoredConflict[] => {
    const event = events.get(Number(row.version));
    const settling = settlings.get(Number(row.resolvedVersion));
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
  return new Map(rows.map((row) => [entityKey(row), recordFromPrismaRow(row)]));
}

/** How long the data of the records is, by their entity. */
async function measureRecords(
  prisma: TenantPrisma,
  tenantId: string,
  refs: readonly EntityRef[],
): Promise<ReadonlyMap<string, number>> {
  const wanted = [...new Map(refs.map((ref) => [entityKey(ref), ref])).values()];
  if (wanted.length === 0) return new Map();
  const rows = await prisma.$queryRawUnsafe<MeasuredRecord[]>(
    measureRecordsText,
    tenantId,
    wanted.map(({ entityType }) => entityType),
    wanted.map(({ entityId }) => entityId),
  );
  return new Map(rows.map((row) => [entityKey(row), row.bytes]));
}
