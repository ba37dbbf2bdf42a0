import type { EventReference } from '../../domain/stored-event.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { micros } from '../client/micros.sql.ts';

/**
 * In a statement behind the one that took the locks: that one sees the events as they were before it
 * waited. clock_timestamp() and not now(), as the transaction began before it, too. LIMIT lets the
 * look-up only be a probe.
 */
const text = `
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

interface Row {
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
  /** The event at the head; undefined before the first. */
  readonly reference: EventReference | undefined;
  /** The database's clock, microseconds since 1970. */
  readonly clock: number;
}

/** The database's time and where each tenant's log ends. Call it under the tenants' locks. */
export async function loadHeads(
  sender: StatementSender,
  tenantIds: readonly string[],
): Promise<readonly TenantHead[]> {
  const { rows } = await sender.query<Row>({ name: 'load-heads', text, values: [tenantIds] });
  return rows.map((row) => ({
    tenantId: row.id,
    head: row.head,
    epoch: row.epoch,
    horizon: row.horizon,
    reference: toEventReference(row.fingerprint, row.received_at),
    clock: row.clock,
  }));
}

export function toEventReference(
  fingerprint: Buffer | null,
  receivedAt: number | null,
): EventReference | undefined {
  return fingerprint && receivedAt !== null ? { fingerprint, receivedAt } : undefined;
}
