import type {
  HistoryQuery,
  LoggedEventHeader,
  Page,
  StoredHistoryEntry,
  StoredLink,
  StoredReceipt,
} from '../../audit/audit-store.ts';
import {
  cutPage,
  findEventReceipts,
  findEvents,
  measureEvents,
  eventHeaderFromPrismaRow,
  toMicros,
  toNumber,
  toResolution,
} from './rows.ts';
import type { TenantPrisma } from './prisma.ts';

/** Of an entry beside its payload, about. */
const otherBytes = 1_000;

/** Where an entity's history has an entry, and what the event did to the entity's record. */
interface Place {
  readonly version: bigint;
  readonly recordBefore: bigint | null;
  readonly recordAfter: bigint | null;
}

export async function readHistory(
  prisma: TenantPrisma,
  query: HistoryQuery,
): Promise<Page<StoredHistoryEntry>> {
  const { tenantId } = query;
  const found = await findPlaces(prisma, query);
  const payloads = await measureEvents(
    prisma,
    tenantId,
    found.map(({ version }) => version),
  );
  const { entries: places, nextAfter } = cutPage(
    found,
    query,
    ({ version }) => otherBytes + (payloads.get(version) ?? 0),
  );
  const versions = places.map(({ version }) => version);
  const [events, resends, links] = await Promise.all([
    findEvents(prisma, tenantId, versions),
    findReplays(prisma, tenantId, versions),
    findLinks(prisma, tenantId, versions),
  ]);
  const entries = places.flatMap((place): StoredHistoryEntry[] => {
    const version = Number(place.version);
    const event = events.get(version);
    if (!event) return [];
    const entry = {
      event,
      recordBefore: toNumber(place.recordBefore),
      recordAfter: toNumber(place.recordAfter),
      resends: resends.get(version) ?? { count: 0, lastAt: null },
      resolves: links.resolves.get(version) ?? null,
      resolvedBy: links.resolvedBy.get(version) ?? null,
    };
    return [entry];
  });
  return { entries, nextAfter };
}

/**
 * Events about the entity and effects on it, merged. Both are read up to one head: what commits
 * between the two statements is left to a later page, and so not skipped by one of them.
 */
async function findPlaces(prisma: TenantPrisma, query: HistoryQuery): Promise<readonly Place[]> {
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
  const places = [...own, ...written].toSorted((a, b) => Number(a.version - b.version));
  return places.slice(0, limit + 1);
}

async function findReplays(prisma: TenantPrisma, tenantId: string, versions: readonly bigint[]) {
  const rows = await prisma.replay.findMany({
    where: { tenantId, version: { in: [...versions] } },
  });
  return new Map(
    rows.map((row) => {
      const replays = { count: Number(row.count), lastAt: toMicros(row.lastAt) };
      return [Number(row.version), replays] as const;
    }),
  );
}

/** The conflicts among these events, and those that they settled. */
async function findLinks(prisma: TenantPrisma, tenantId: string, versions: readonly bigint[]) {
  const either = { in: [...versions] };
  const rows = await prisma.conflict.findMany({
    where: {
      tenantId,
      resolvedVersion: { not: null },
      OR: [{ version: either }, { resolvedVersion: either }],
    },
  });
  const both = rows.flatMap(({ version, resolvedVersion }) => [version, resolvedVersion]);
  const events = await findEventReceipts(prisma, tenantId, both);
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
