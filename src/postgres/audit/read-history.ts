import type {
  HistoryQuery,
  LoggedEventHeader,
  Page,
  StoredHistoryEntry,
  StoredLink,
  StoredReceipt,
} from '../../audit/audit-store.ts';
import type { TenantPrisma } from './prisma.ts';
import {
  cutPage,
  eventHeaderFromPrismaRow,
  findEventReceipts,
  findEvents,
  measureEvents,
  toMicros,
  toNumber,
  toResolution,
} from './rows.ts';

/** An estimate of the bytes of an entry beside its payload. */
const otherBytes = 1_000;

/** The version of an event in an entity's history, and the versions of the entity's record before and after it. */
interface HistoryPosition {
  readonly version: bigint;
  readonly recordBefore: bigint | null;
  readonly recordAfter: bigint | null;
}

export async function readHistory(
  prisma: TenantPrisma,
  query: HistoryQuery,
): Promise<Page<StoredHistoryEntry>> {
  const { tenantId } = query;
  const found = await findPositions(prisma, query);
  const payloads = await measureEvents(
    prisma,
    tenantId,
    found.map(({ version }) => version),
  );
  const { entries: positions, nextAfter } = cutPage(
    found,
    query,
    ({ version }) => otherBytes + (payloads.get(version) ?? 0),
  );
  const versions = positions.map(({ version }) => version);
  const [events, resends, links] = await Promise.all([
    findEvents(prisma, tenantId, versions),
    findResends(prisma, tenantId, versions),
    findLinks(prisma, tenantId, versions),
  ]);
  const entries = positions.flatMap((position): StoredHistoryEntry[] => {
    const version = Number(position.version);
    const event = events.get(version);
    if (!event) return [];
    const entry = {
      event,
      recordBefore: toNumber(position.recordBefore),
      recordAfter: toNumber(position.recordAfter),
      resends: resends.get(version) ?? { count: 0, lastAt: null },
      resolves: links.resolves.get(version) ?? null,
      resolvedBy: links.resolvedBy.get(version) ?? null,
    };
    return [entry];
  });
  return { entries, nextAfter };
}

/**
 * Merges the events about the entity with the effects on it. Both are read up to the same head. Otherwise a push that
 * commits between the two statements could have its effect on this page, and its event on no page.
 */
async function findPositions(
  prisma: TenantPrisma,
  query: HistoryQuery,
): Promise<readonly HistoryPosition[]> {
  const { tenantId, entityType, entityId, after, limit } = query;
  const tenant = await prisma.tenant.findUnique({
    where: { id: tenantId },
    select: { head: true },
  });
  if (!tenant) return [];
  const page = {
    where: { tenantId, entityType, entityId, version: { gt: BigInt(after), lte: tenant.head } },
    orderBy: { version: 'asc' },
    take: limit + 1,
    select: { version: true, recordBefore: true, recordAfter: true },
  } as const;
  const [own, written] = await Promise.all([
    prisma.event.findMany(page),
    prisma.effect.findMany(page),
  ]);
  const positions = [...own, ...written].toSorted((a, b) => Number(a.version - b.version));
  return positions.slice(0, limit + 1);
}

async function findResends(prisma: TenantPrisma, tenantId: string, versions: readonly bigint[]) {
  const rows = await prisma.replay.findMany({
    where: { tenantId, version: { in: [...versions] } },
  });
  return new Map(
    rows.map((row) => {
      const resends = { count: Number(row.count), lastAt: toMicros(row.lastAt) };
      return [Number(row.version), resends] as const;
    }),
  );
}

/** The links between conflicts and the events that settled them, where one of the two is among the versions. */
async function findLinks(prisma: TenantPrisma, tenantId: string, versions: readonly bigint[]) {
  const amongVersions = { in: [...versions] };
  const rows = await prisma.conflict.findMany({
    where: {
      tenantId,
      resolvedVersion: { not: null },
      OR: [{ version: amongVersions }, { resolvedVersion: amongVersions }],
    },
  });
  const linked = rows.flatMap(({ version, resolvedVersion }) => [version, resolvedVersion]);
  const events = await findEventReceipts(prisma, tenantId, linked);
  const resolves = new Map<number, StoredLink>();
  const resolvedBy = new Map<number, StoredLink>();
  for (const row of rows) {
    const resolution = toResolution(row.resolution);
    const conflict = events.get(Number(row.version));
    const settling = events.get(Number(row.resolvedVersion));
    if (!resolution || !conflict || !settling) continue;
    resolves.set(settling.version, linkTo(conflict, resolution));
    resolvedBy.set(conflict.version, linkTo(settling, resolution));
  }
  return { resolves, resolvedBy };
}

function linkTo({ identityKey, version }: LoggedEventHeader, resolution: StoredLink['resolution']) {
  return { identityKey, version, resolution };
}

export async function findReceipts(
  prisma: TenantPrisma,
  tenantId: string,
  identityKeys: readonly string[],
): Promise<ReadonlyMap<string, StoredReceipt>> {
  const rows = await prisma.event.findMany({
    where: { tenantId, identityKey: { in: [...identityKeys] } },
    omit: { payload: true },
  });
  const versions = rows.flatMap(({ version, outcome }) =>
    outcome === 'conflict' ? [version] : [],
  );
  const conflicts = await prisma.conflict.findMany({
    where: { tenantId, version: { in: versions } },
  });
  const resolutionOf = new Map(conflicts.map((row) => [row.version, toResolution(row.resolution)]));
  return new Map(
    rows.map((row) => {
      const resolution = resolutionOf.get(row.version) ?? null;
      return [row.identityKey, { event: eventHeaderFromPrismaRow(row), resolution }] as const;
    }),
  );
}
