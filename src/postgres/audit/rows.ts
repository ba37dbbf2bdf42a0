import type { Event, Record as RecordRow } from '../../generated/client.ts';
import { resolutionSchema, storedOutcomeSchema } from '../../domain/stored-event.ts';
import type { StoredRecord } from '../../domain/record.ts';
import type { LoggedEvent, LoggedEventHeader, Page } from '../../audit/audit-store.ts';
import type { TenantPrisma } from './prisma.ts';
import { type MeasuredEvent, measureEventsText } from './measure-events.sql.ts';

export function eventFromPrismaRow(row: Event): LoggedEvent {
  return { ...eventHeaderFromPrismaRow(row), payload: row.payload };
}

export function eventHeaderFromPrismaRow(row: Omit<Event, 'payload'>): LoggedEventHeader {
  return {
    version: Number(row.version),
    identityKey: row.identityKey,
    fingerprint: row.fingerprint,
    kind: row.kind,
    kindVersion: row.kindVersion,
    entityType: row.entityType,
    entityId: row.entityId,
    outcome: storedOutcomeSchema.parse(row.outcome),
    deviceId: row.deviceId,
    subject: row.subject,
    occurredAt: row.occurredAt && toMicros(row.occurredAt),
    effectiveAt: toMicros(row.effectiveAt),
    receivedAt: toMicros(row.receivedAt),
    clockAdjusted: row.clockAdjusted,
    baseVersion: toNumber(row.baseVersion),
    baseKey: row.baseKey,
    sequence: toNumber(row.sequence),
    recordBefore: toNumber(row.recordBefore),
    recordAfter: toNumber(row.recordAfter),
  };
}

export function recordFromPrismaRow(row: RecordRow): StoredRecord {
  return {
    entityType: row.entityType,
    entityId: row.entityId,
    version: Number(row.version),
    deleted: row.deleted,
    data: row.data === null ? null : JSON.stringify(row.data),
    dataVersion: row.dataVersion,
    originKey: row.originKey,
    originKind: row.originKind,
    originDevice: row.originDevice,
    originAt: toMicros(row.originAt),
    createdAt: toMicros(row.createdAt),
    updatedAt: toMicros(row.updatedAt),
  };
}

export function toResolution(stored: string | null) {
  return stored === null ? null : resolutionSchema.parse(stored);
}

type Versions = readonly (bigint | null)[];

/**
 * What points to an event is read before it, and its tenant may be removed in between: an event that
 * is not there is no fault, and what points to it has gone too.
 *
 * @param versions null for none, so that a caller need not filter
 */
export async function findEvents(
  prisma: TenantPrisma,
  tenantId: string,
  versions: Versions,
): Promise<ReadonlyMap<number, LoggedEvent>> {
  const wanted = distinct(versions);
  if (wanted.length === 0) return new Map();
  const rows = await prisma.event.findMany({ where: { tenantId, version: { in: wanted } } });
  return new Map(rows.map((row) => [Number(row.version), eventFromPrismaRow(row)]));
}

/** The same without their payloads. */
export async function findEventReceipts(
  prisma: TenantPrisma,
  tenantId: string,
  versions: Versions,
): Promise<ReadonlyMap<number, LoggedEventHeader>> {
  const wanted = distinct(versions);
  if (wanted.length === 0) return new Map();
  const rows = await prisma.event.findMany({
    where: { tenantId, version: { in: wanted } },
    omit: { payload: true },
  });
  return new Map(rows.map((row) => [Number(row.version), eventHeaderFromPrismaRow(row)]));
}

function distinct(versions: Versions): bigint[] {
  return [...new Set(versions.filter((version) => version !== null))];
}

/** How long the payloads of events are, by their version. */
export async function measureEvents(
  prisma: TenantPrisma,
  tenantId: string,
  versions: readonly bigint[],
): Promise<ReadonlyMap<bigint, number>> {
  if (versions.length === 0) return new Map();
  const rows = await prisma.$queryRawUnsafe<MeasuredEvent[]>(measureEventsText, tenantId, versions);
  return new Map(rows.map(({ version, bytes }) => [version, bytes]));
}

export interface PageBounds {
  readonly limit: number;
  readonly maxBytes: number;
}

/**
 * Cuts a page off at its bounds. The first entry is always on it.
 *
 * @param rows in version order, one more than fits on the page where there is more
 */
export function cutPage<Row extends { readonly version: bigint }>(
  rows: readonly Row[],
  { limit, maxBytes }: PageBounds,
  bytesOf: (row: Row) => number,
): Page<Row> {
  let bytes = 0;
  const end = rows.findIndex((row, index) => {
    bytes += bytesOf(row);
    return index === limit || (index > 0 && bytes > maxBytes);
  });
  if (end === -1) return { entries: rows, nextAfter: null };
  const entries = rows.slice(0, end);
  const last = entries.at(-1);
  return { entries, nextAfter: last ? Number(last.version) : null };
}

export function toNumber(value: bigint | null): number | null {
  return value === null ? null : Number(value);
}

export function toMicros(date: Date): number {
  return date.getTime() * 1000;
}
