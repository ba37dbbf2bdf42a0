import type { QueryConfig } from 'pg';
import type { EventReference } from '../../domain/event.ts';
import { int8, text } from '../client/binary-array.ts';
import { micros } from '../client/expressions.sql.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { column, defineRowSet } from '../client/row-set.ts';
import { eventReference } from '../columns/event-columns.sql.ts';

const ensureTenantsText = `
INSERT INTO tenants (id)
SELECT id FROM unnest($1::text[]) AS wanted (id)
ORDER BY id
ON CONFLICT (id) DO NOTHING`;

/** Inserts the rows of tenants that have none. */
export async function ensureTenants(
  sender: StatementSender,
  tenantIds: readonly string[],
): Promise<void> {
  await sender.query({ name: 'ensure-tenants', text: ensureTenantsText, values: [tenantIds] });
}

/** In id order: two groups that share tenants wait for each other instead of deadlocking. */
const lockTenantsText = `
SELECT
FROM tenants
WHERE id = ANY($1::text[])
ORDER BY id
FOR UPDATE`;

/** Locks the rows of the tenants. @returns how many there are: a new tenant has no row yet */
export async function lockTenants(
  sender: StatementSender,
  tenantIds: readonly string[],
): Promise<number> {
  const statement = { name: 'lock-tenants', text: lockTenantsText, values: [tenantIds] };
  const { rowCount } = await sender.query(statement);
  return rowCount ?? 0;
}

/**
 * A statement of its own after the one that took the locks: the snapshot of that one is older than its wait. The
 * transaction began before the wait too, so the time is clock_timestamp() and not now().
 */
const loadHeadsText = `
SELECT tenant.id, tenant.head, tenant.epoch, tenant.horizon,
       event.fingerprint,
       ${micros('event.received_at')} AS received_at,
       ${micros('clock_timestamp()')} AS clock
FROM tenants AS tenant
LEFT JOIN LATERAL (
  SELECT fingerprint, received_at
  FROM events
  WHERE tenant_id = tenant.id AND version = tenant.head
  LIMIT 1
) AS event ON true
WHERE tenant.id = ANY($1::text[])`;

interface HeadRow {
  readonly id: string;
  readonly head: number;
  readonly epoch: string;
  readonly horizon: number;
  readonly fingerprint: Buffer | null;
  readonly received_at: number | null;
  readonly clock: number;
}

export interface TenantHead {
  readonly tenantId: string;
  readonly head: number;
  readonly epoch: string;
  /** Above 0 once tombstones were purged. */
  readonly horizon: number;
  /** The event at the head; undefined before the first event. */
  readonly reference: EventReference | undefined;
  /** The time of the database, in microseconds since 1970. */
  readonly clock: number;
}

/** The head of each tenant's log, and the time of the database. Call it under the tenants' locks. */
export async function loadHeads(
  sender: StatementSender,
  tenantIds: readonly string[],
): Promise<readonly TenantHead[]> {
  const statement = { name: 'load-heads', text: loadHeadsText, values: [tenantIds] };
  const { rows } = await sender.query<HeadRow>(statement);
  return rows.map((row) => ({
    tenantId: row.id,
    head: row.head,
    epoch: row.epoch,
    horizon: row.horizon,
    reference: eventReference(row.fingerprint, row.received_at),
    clock: row.clock,
  }));
}

interface NewHead {
  readonly tenantId: string;
  readonly head: number;
}

const heads = defineRowSet<NewHead>({
  id: column(text, ({ tenantId }) => tenantId),
  head: column(int8, ({ head }) => head),
});

/** Not a join: a join that was planned while there were no tenants would read all of them. */
const advanceHeadsText = `
UPDATE tenants
SET head = ($2::int8[])[array_position($1::text[], id)]
WHERE id = ANY($1::text[])`;

/** Moves the heads of tenants to the versions of their newest events. */
export function advanceHeads(rows: readonly NewHead[]): QueryConfig {
  return { name: 'advance-heads', text: advanceHeadsText, values: heads.values(rows) };
}
