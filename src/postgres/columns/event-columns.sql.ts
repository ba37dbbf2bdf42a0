import type { EventReference, KnownEvent, StoredEvent, StoredOutcome } from '../../domain/event.ts';
import {
  bool,
  bytea,
  hexBytes,
  int2,
  int4,
  int8,
  json,
  text,
  timestamptz,
} from '../client/binary-array.ts';
import { exactMicros, micros } from '../client/expressions.sql.ts';
import { column, type OfTenant, type ReadRow, type TenantColumnsFor } from '../client/row-set.ts';

/** What `events` has a column for. What the event resolves stands in `conflicts`. */
type EventMembers = Omit<StoredEvent, 'resolves' | 'recordAfter'> & {
  readonly recordChanged: boolean;
};

/** The outcomes by their codes in the column `outcome`, from 1 on. */
const outcomes: readonly StoredOutcome[] = ['applied', 'noop', 'superseded', 'merged', 'conflict'];

export function outcomeCode(outcome: StoredOutcome): number {
  return outcomes.indexOf(outcome) + 1;
}

/** @throws Error for a code that this version does not know */
export function outcomeOf(code: number): StoredOutcome {
  const outcome = outcomes[code - 1];
  if (!outcome) throw new Error(`an event has the unknown outcome ${code}`);
  return outcome;
}

/** Most events find the record as the entity's event before them left it: then NULL is stored. */
function recordBeforeOf({ recordBefore, previousVersion }: StoredEvent): number | null {
  return recordBefore === (previousVersion ?? 0) ? null : recordBefore;
}

type Row = OfTenant<StoredEvent>;

/** The columns of `events`. Inserts and reads take the names and types from this map. */
export const eventColumns = {
  version: column(int8, ({ row }: Row) => row.version),
  received_at: column(timestamptz, ({ row }: Row) => row.receivedAt),
  effective_at: column(timestamptz, ({ row }: Row) => row.effectiveAt),
  occurred_at: column(timestamptz, ({ row }: Row) => row.occurredAt),
  previous_version: column(int8, ({ row }: Row) => row.previousVersion),
  record_before: column(int8, ({ row }: Row) => recordBeforeOf(row)),
  base_version: column(int8, ({ row }: Row) => row.baseVersion),
  sequence: column(int8, ({ row }: Row) => row.sequence),
  tenant_no: column(int4, ({ tenantNo }: Row) => tenantNo),
  kind_version: column(int4, ({ row }: Row) => row.kindVersion),
  outcome: column(int2, ({ row }: Row) => outcomeCode(row.outcome)),
  clock_adjusted: column(bool, ({ row }: Row) => row.clockAdjusted),
  record_changed: column(bool, ({ row }: Row) => row.recordAfter === row.version),
  key_hash: column(hexBytes, ({ row }: Row) => row.keyHash),
  identity_key: column(text, ({ row }: Row) => row.identityKey),
  kind: column(text, ({ row }: Row) => row.kind),
  entity_type: column(text, ({ row }: Row) => row.entityType),
  entity_id: column(text, ({ row }: Row) => row.entityId),
  device_id: column(text, ({ row }: Row) => row.deviceId),
  subject: column(text, ({ row }: Row) => row.subject),
  base_key: column(text, ({ row }: Row) => row.baseKey),
  fingerprint: column(bytea, ({ row }: Row) => row.fingerprint),
  payload: column(json, ({ row }: Row) => row.payload),
} satisfies TenantColumnsFor<EventMembers, StoredEvent>;

const knownColumns = [
  'tenant_no',
  'version',
  'identity_key',
  'entity_type',
  'entity_id',
  'outcome',
  'kind',
  'kind_version',
  'base_version',
  'base_key',
  'sequence',
  'fingerprint',
  'payload',
] as const satisfies readonly (keyof typeof eventColumns)[];

/** A stored event with what it says, to compare it with an event that is sent under its key. */
export type KnownEventRow = ReadRow<typeof eventColumns, (typeof knownColumns)[number]> & {
  readonly occurred_at: number | null;
};

/** The select list of a KnownEventRow. @param table the name or alias of `events` */
export function knownEventList(table: string): string {
  const columns = knownColumns.map((name) => `${table}.${name}`);
  // The time is a part of the content, and must be exact however long ago it is.
  return [...columns, `${exactMicros(`${table}.occurred_at`)} AS occurred_at`].join(', ');
}

export function knownEventFromRow(
  row: KnownEventRow,
  previous: EventReference | undefined,
): KnownEvent {
  return {
    identityKey: row.identity_key,
    version: row.version,
    entityType: row.entity_type,
    entityId: row.entity_id,
    outcome: outcomeOf(row.outcome),
    kind: row.kind,
    kindVersion: row.kind_version,
    occurredAt: row.occurred_at,
    baseVersion: row.base_version,
    baseKey: row.base_key,
    sequence: row.sequence,
    fingerprint: row.fingerprint,
    payload: row.payload,
    previous,
  };
}

/** The select list of an event's reference, in two columns. @param table the name or alias of `events` */
export function referenceList(table: string): string {
  return `encode(${table}.key_hash, 'hex') AS key_hash, ${micros(`${table}.received_at`)} AS received_at`;
}

/** Undefined where the event was not found: then both columns are NULL. */
export function eventReference(
  keyHash: string | null,
  receivedAt: number | null,
): EventReference | undefined {
  return keyHash !== null && receivedAt !== null ? { keyHash, receivedAt } : undefined;
}
