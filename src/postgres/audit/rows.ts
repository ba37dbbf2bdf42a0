import type { Event, Record as PrismaRecord } from '../../generated/client.ts';
import type { LoggedEvent, LoggedEventHeader, Page } from '../../audit/audit-store.ts';
import { hashKey, resolutionSchema } from '../../domain/event.ts';
import type { StoredRecord } from '../../domain/record.ts';
import type { ColumnName } from '../client/row-set.ts';
import { type eventColumns, outcomeOf } from '../columns/event-columns.sql.ts';
import type { recordColumns } from '../columns/record-columns.sql.ts';
import { type MeasuredEvent, measureEventsText } from './measure.sql.ts';
import type { TenantPrisma } from './prisma.ts';

/**
 * A row as Prisma reads it. It is `never` where schema.prisma and the column map have different columns, so that the
 * functions below do not compile.
 */
type PrismaRow<Row, Map> = [ColumnName<keyof Row>, keyof Map] extends [
  keyof Map,
  ColumnName<keyof Row>,
]
  ? Row
  : never;

type EventRow = PrismaRow<Event, typeof eventColumns>;
type RecordRow = PrismaRow<PrismaRecord, typeof recordColumns>;

export function eventFromPrismaRow(row: EventRow): LoggedEvent {
  return { ...eventHeaderFromPrismaRow(row), payload: row.payload };
}

export function eventHeaderFromPrismaRow(row: Omit<EventRow, 'payload'>): LoggedEventHeader {
  return {
    version: Number(row.version),
    identityKey: row.identityKey,
    keyHash: Buffer.from(row.keyHash).toString('hex'),
    fingerprint: row.fingerprint && Buffer.from(row.fingerprint),
    previousVersion: toNumber(row.previousVersion),
    kind: row.kind,
    kindVersion: row.kindVersion,
    entityType: row.entityType,
    entityId: row.entityId,
    outcome: outcomeOf(row.outcome),
    deviceId: row.deviceId,
    subject: row.subject,
    occurredAt: row.occurredAt && toMicros(row.occurredAt),
    effectiveAt: toMicros(row.effectiveAt),
    receivedAt: toMicros(row.receivedAt),
    clockAdjusted: row.clockAdjusted,
    baseVersion: toNumber(row.baseVersion),
    baseKey: row.baseKey,
    sequence: toNumber(row.sequence),
    ...recordVersionsOf(row),
  };
}

/** What the columns leave out where it follows from others. */
function recordVersionsOf(row: Omit<EventRow, 'payload'>) {
  const recordBefore = Number(row.recordBefore ?? row.previousVersion ?? 0);
  return { recordBefore, recordAfter: row.recordChanged ? Number(row.version) : recordBefore };
}

/** The bytes by which a stored event is found. */
export function keyHashBytes(identityKey: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(hashKey(identityKey), 'hex'));
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
 * Events by their versions. A tenant may be removed after a row that refers to an event was read and before the event
 * is read. An event that is missing is therefore no error: the row that refers to it is gone too.
 *
 * @param versions null is ignored, so that callers need not filter
 */
export async function findEvents(
  prisma: TenantPrisma,
  tenantNo: number,
  versions: Versions,
): Promise<ReadonlyMap<number, LoggedEvent>> {
  const wanted = distinct(versions);
  if (wanted.length === 0) return new Map();
  const rows = await prisma.event.findMany({ where: { tenantNo, version: { in: wanted } } });
  return new Map(rows.map((row) => [Number(row.version), eventFromPrismaRow(row)]));
}

/** The same events without their payloads. */
export async function findEventReceipts(
  prisma: TenantPrisma,
  tenantNo: number,
  versions: Versions,
): Promise<ReadonlyMap<number, LoggedEventHeader>> {
  const wanted = distinct(versions);
  if (wanted.length === 0) return new Map();
  const rows = await prisma.event.findMany({
    where: { tenantNo, version: { in: wanted } },
    omit: { payload: true },
  });
  return new Map(rows.map((row) => [Number(row.version), eventHeaderFromPrismaRow(row)]));
}

function distinct(versions: Versions): bigint[] {
  return [...new Set(versions.filter((version) => version !== null))];
}

/** The lengths of the payloads of events in bytes, by version. */
export async function measureEvents(
  prisma: TenantPrisma,
  tenantNo: number,
  versions: readonly bigint[],
): Promise<ReadonlyMap<bigint, number>> {
  if (versions.length === 0) return new Map();
  const rows = await prisma.$queryRawUnsafe<MeasuredEvent[]>(measureEventsText, tenantNo, versions);
  return new Map(rows.map(({ version, bytes }) => [version, bytes]));
}

export interface PageBounds {
  readonly limit: number;
  readonly maxBytes: number;
}

/**
 * Cuts a page at its bounds. The first entry is always on the page.
 *
 * @param rows in the order of the page; one more than `limit` where the database has more
 */
export function cutPage<Row extends { readonly version: bigint | number }>(
  rows: readonly Row[],
  { limit, maxBytes }: PageBounds,
  bytesOf: (row: Row) => number,
): Page<Row> {
  let bytes = 0;
  const end = rows.findIndex((row, index) => {
    bytes += bytesOf(row);
    return index === limit || (index > 0 && bytes > maxBytes);
  });
  if (end === -1) return { entries: rows, next: null };
  const entries = rows.slice(0, end);
  const last = entries.at(-1);
  return { entries, next: last ? Number(last.version) : null };
}

export function toNumber(value: bigint | null): number | null {
  return value === null ? null : Number(value);
}

export function toMicros(date: Date): number {
  return date.getTime() * 1000;
}
