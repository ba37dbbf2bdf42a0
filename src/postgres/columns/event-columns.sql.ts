import type { WithTenant } from '../../domain/decide/tenant-plan.ts';
import type { EventReference, KnownEvent, StoredEvent } from '../../domain/event.ts';
import { bool, bytea, int4, int8, json, text, timestamptz } from '../client/binary-array.ts';
import { selectList } from '../client/expressions.sql.ts';
import { column, type ColumnsOf, type ReadRow } from '../client/row-set.ts';

/** A row of `events`. What the event resolves stands in `conflicts`. */
type EventRow = WithTenant<Omit<StoredEvent, 'resolves'>>;

/** The columns of `events`. Inserts and reads take the names and types from this map. */
export const eventColumns = {
  tenant_id: column(text, (event) => event.tenantId),
  version: column(int8, (event) => event.version),
  identity_key: column(text, (event) => event.identityKey),
  fingerprint: column(bytea, (event) => event.fingerprint),
  kind: column(text, (event) => event.kind),
  kind_version: column(int4, (event) => event.kindVersion),
  entity_type: column(text, (event) => event.entityType),
  entity_id: column(text, (event) => event.entityId),
  outcome: column(text, (event) => event.outcome),
  device_id: column(text, (event) => event.deviceId),
  subject: column(text, (event) => event.subject),
  occurred_at: column(timestamptz, (event) => event.occurredAt),
  effective_at: column(timestamptz, (event) => event.effectiveAt),
  received_at: column(timestamptz, (event) => event.receivedAt),
  clock_adjusted: column(bool, (event) => event.clockAdjusted),
  base_version: column(int8, (event) => event.baseVersion),
  base_key: column(text, (event) => event.baseKey),
  sequence: column(int8, (event) => event.sequence),
  payload: column(json, (event) => event.payload),
  record_before: column(int8, (event) => event.recordBefore),
  record_after: column(int8, (event) => event.recordAfter),
} satisfies ColumnsOf<EventRow>;

const knownColumns = [
  'tenant_id',
  'version',
  'identity_key',
  'fingerprint',
  'kind',
  'entity_type',
  'entity_id',
  'outcome',
] as const satisfies readonly (keyof typeof eventColumns)[];

export type KnownEventRow = ReadRow<typeof eventColumns, (typeof knownColumns)[number]>;

/** The select list of a KnownEventRow. @param table the name or alias of `events` */
export function knownEventList(table: string): string {
  return selectList(eventColumns, knownColumns, table);
}

export function knownEventFromRow(
  row: KnownEventRow,
  previous: EventReference | undefined,
): WithTenant<KnownEvent> {
  return {
    tenantId: row.tenant_id,
    identityKey: row.identity_key,
    version: row.version,
    fingerprint: row.fingerprint,
    kind: row.kind,
    entityType: row.entity_type,
    entityId: row.entity_id,
    outcome: row.outcome,
    previous,
  };
}

/** Undefined where the event was not found: then both columns are NULL. */
export function eventReference(
  fingerprint: Buffer | null,
  receivedAt: number | null,
): EventReference | undefined {
  return fingerprint && receivedAt !== null ? { fingerprint, receivedAt } : undefined;
}
