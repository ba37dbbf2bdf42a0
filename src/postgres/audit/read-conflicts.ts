import type { Conflict } from '../../generated/client.ts';
import type { ConflictFilter, Page, StoredConflict } from '../../audit/audit-store.ts';
import { entityKey, type EntityRef, type StoredRecord } from '../../domain/record.ts';
import { type MeasuredRecord, measureRecordsText } from './measure.sql.ts';
import type { TenantPrisma } from './prisma.ts';
import {
  cutPage,
  findEventReceipts,
  findEvents,
  keyHashBytes,
  measureEvents,
  recordFromPrismaRow,
  toResolution,
} from './rows.ts';

/** An estimate of the bytes of an entry beside its payload and its record. */
const otherBytes = 1_000;

const conditionOfState = {
  open: { resolvedVersion: null },
  resolved: { resolvedVersion: { not: null } },
  all: {},
} as const;

export async function listConflicts(
  prisma: TenantPrisma,
  tenantNo: number,
  filter: ConflictFilter,
): Promise<Page<StoredConflict>> {
  const { state, entityType, entityId, after, limit } = filter;
  const rows = await prisma.conflict.findMany({
    where: {
      tenantNo,
      version: { gt: BigInt(after) },
      ...conditionOfState[state],
      ...(entityType !== undefined && { entityType }),
      ...(entityId !== undefined && { entityId }),
    },
    orderBy: { version: 'asc' },
    take: limit + 1,
  });
  const [payloads, records] = await Promise.all([
    measureEvents(
      prisma,
      tenantNo,
      rows.map(({ version }) => version),
    ),
    measureRecords(prisma, tenantNo, rows),
  ]);
  const { entries, next } = cutPage(rows, filter, (row) => {
    // An entry shows the payload, and the data that the payload would have written.
    const payload = 2 * (payloads.get(row.version) ?? 0);
    return otherBytes + payload + (records.get(entityKey(row)) ?? 0);
  });
  return { entries: await toStoredConflicts(prisma, tenantNo, entries), next };
}

export async function findConflict(
  prisma: TenantPrisma,
  tenantNo: number,
  identityKey: string,
): Promise<StoredConflict | undefined> {
  const event = await prisma.event.findUnique({
    where: { tenantNo_keyHash: { tenantNo, keyHash: keyHashBytes(identityKey) } },
    select: { version: true },
  });
  const row =
    event &&
    (await prisma.conflict.findUnique({
      where: { tenantNo_version: { tenantNo, version: event.version } },
    }));
  return row ? (await toStoredConflicts(prisma, tenantNo, [row]))[0] : undefined;
}

/** Reads the events, the events that settled them and the current records: three statements for any number of rows. */
async function toStoredConflicts(
  prisma: TenantPrisma,
  tenantNo: number,
  rows: readonly Conflict[],
): Promise<readonly StoredConflict[]> {
  const [events, settlings, records] = await Promise.all([
    findEvents(
      prisma,
      tenantNo,
      rows.map(({ version }) => version),
    ),
    findEventReceipts(
      prisma,
      tenantNo,
      rows.map(({ resolvedVersion }) => resolvedVersion),
    ),
    findRecords(prisma, tenantNo, rows),
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
  tenantNo: number,
  refs: readonly EntityRef[],
): Promise<ReadonlyMap<string, StoredRecord>> {
  const wanted = new Map(refs.map((ref) => [entityKey(ref), ref]));
  if (wanted.size === 0) return new Map();
  const keys = [...wanted.values()].map(({ entityType, entityId }) => ({ entityType, entityId }));
  const rows = await prisma.record.findMany({ where: { tenantNo, OR: keys } });
  return new Map(rows.map((row) => [entityKey(row), recordFromPrismaRow(row)]));
}

/** The lengths of the data of records in bytes, by entity key. */
async function measureRecords(
  prisma: TenantPrisma,
  tenantNo: number,
  refs: readonly EntityRef[],
): Promise<ReadonlyMap<string, number>> {
  const wanted = [...new Map(refs.map((ref) => [entityKey(ref), ref])).values()];
  if (wanted.length === 0) return new Map();
  const rows = await prisma.$queryRawUnsafe<MeasuredRecord[]>(
    measureRecordsText,
    tenantNo,
    wanted.map(({ entityType }) => entityType),
    wanted.map(({ entityId }) => entityId),
  );
  return new Map(rows.map((row) => [entityKey(row), row.bytes]));
}
