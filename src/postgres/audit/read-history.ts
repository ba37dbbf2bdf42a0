import type {
  HistoryQuery,
  LoggedEventHeader,
  Page,
  StoredHistoryEntry,
  StoredLink,
  StoredReceipt,
} from '../../audit/audit-store.ts';
import { RequestProblem } from '../../domain/errors.ts';
import { outcomeCode } from '../columns/event-columns.sql.ts';
import { type HistoryPosition, historyText } from './history.sql.ts';
import type { TenantPrisma } from './prisma.ts';
import {
  cutPage,
  eventHeaderFromPrismaRow,
  findEventReceipts,
  findEvents,
  keyHashBytes,
  measureEvents,
  toMicros,
  toResolution,
} from './rows.ts';

/** An estimate of the bytes of an entry beside its payload. */
const otherBytes = 1_000;

export async function readHistory(
  prisma: TenantPrisma,
  tenantNo: number,
  query: HistoryQuery,
): Promise<Page<StoredHistoryEntry>> {
  const found = await findPositions(prisma, tenantNo, query);
  const payloads = await measureEvents(
    prisma,
    tenantNo,
    found.map(({ version }) => version),
  );
  const { entries: positions, next } = cutPage(
    found,
    query,
    ({ version }) => otherBytes + (payloads.get(version) ?? 0),
  );
  const versions = positions.map(({ version }) => version);
  const [events, resends, links] = await Promise.all([
    findEvents(prisma, tenantNo, versions),
    findResends(prisma, tenantNo, versions),
    findLinks(prisma, tenantNo, versions),
  ]);
  const entries = positions.flatMap((position): StoredHistoryEntry[] => {
    const version = Number(position.version);
    const event = events.get(version);
    if (!event) return [];
    const entry = {
      event,
      recordBefore: Number(position.recordBefore),
      recordAfter: Number(position.recordAfter),
      resends: resends.get(version) ?? { count: 0, lastAt: null },
      resolves: links.resolves.get(version) ?? null,
      resolvedBy: links.resolvedBy.get(version) ?? null,
    };
    return [entry];
  });
  return { entries, next };
}

/** One more position than the page takes, where there is one. */
async function findPositions(
  prisma: TenantPrisma,
  tenantNo: number,
  { entityType, entityId, before, limit }: HistoryQuery,
): Promise<readonly HistoryPosition[]> {
  const rows = await prisma.$queryRawUnsafe<HistoryPosition[]>(
    historyText,
    ...[tenantNo, entityType, entityId, before ?? null, limit + 1],
  );
  if (before === undefined) return rows;
  const [first, ...positions] = rows;
  if (first && first.recordBefore !== null) return positions;
  const message = 'is no version of this history';
  throw new RequestProblem('INVALID_QUERY', message, { path: 'before' });
}

async function findResends(prisma: TenantPrisma, tenantNo: number, versions: readonly bigint[]) {
  const rows = await prisma.resend.findMany({
    where: { tenantNo, version: { in: [...versions] } },
  });
  return new Map(
    rows.map((row) => {
      const resends = { count: Number(row.count), lastAt: toMicros(row.lastAt) };
      return [Number(row.version), resends] as const;
    }),
  );
}

/** The links between conflicts and the events that settled them, where one of the two is among the versions. */
async function findLinks(prisma: TenantPrisma, tenantNo: number, versions: readonly bigint[]) {
  const amongVersions = { in: [...versions] };
  const rows = await prisma.conflict.findMany({
    where: {
      tenantNo,
      resolvedVersion: { not: null },
      OR: [{ version: amongVersions }, { resolvedVersion: amongVersions }],
    },
  });
  const linked = rows.flatMap(({ version, resolvedVersion }) => [version, resolvedVersion]);
  const events = await findEventReceipts(prisma, tenantNo, linked);
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
  tenantNo: number,
  identityKeys: readonly string[],
): Promise<ReadonlyMap<string, StoredReceipt>> {
  const rows = await prisma.event.findMany({
    where: { tenantNo, keyHash: { in: identityKeys.map(keyHashBytes) } },
    omit: { payload: true },
  });
  const versions = rows.flatMap(({ version, outcome }) =>
    outcome === outcomeCode('conflict') ? [version] : [],
  );
  const conflicts = await prisma.conflict.findMany({
    where: { tenantNo, version: { in: versions } },
  });
  const resolutionOf = new Map(conflicts.map((row) => [row.version, toResolution(row.resolution)]));
  return new Map(
    rows.map((row) => {
      const resolution = resolutionOf.get(row.version) ?? null;
      return [row.identityKey, { event: eventHeaderFromPrismaRow(row), resolution }] as const;
    }),
  );
}
