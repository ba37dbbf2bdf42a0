import type { ClientBase } from 'pg';
import type { EventProof } from '../store.ts';
import { micros } from './micros.ts';

/** clock_timestamp() and not now(): the transaction began before it waited for the lock. */
const text = `
SELECT wanted.tenant_id,
       event.fingerprint,
       ${micros('event.received_at')} AS received_at,
       ${micros('clock_timestamp()')} AS clock
FROM unnest($1::text[], $2::bigint[]) AS wanted (tenant_id, version)
LEFT JOIN events AS event
       ON event.tenant_id = wanted.tenant_id AND event.version = wanted.version`;

interface Row {
  readonly tenant_id: string;
  readonly fingerprint: Buffer | null;
  readonly received_at: number | null;
  readonly clock: number;
}

export interface Head {
  readonly tenantId: string;
  /** The event at the head; undefined before the first. */
  readonly proof: EventProof | undefined;
  /** The database's clock, microseconds since 1970. */
  readonly clock: number;
}

/** The database's time and each tenant's newest event. Call it under the tenants' locks. */
export async function loadHeads(
  client: ClientBase,
  tenants: readonly { readonly id: string; readonly head: number }[],
): Promise<readonly Head[]> {
  const { rows } = await client.query<Row>({
    name: 'load-heads',
    text,
    values: [tenants.map(({ id }) => id), tenants.map(({ head }) => head)],
  });
  return rows.map((row) => ({
    tenantId: row.tenant_id,
    proof: toProof(row.fingerprint, row.received_at),
    clock: row.clock,
  }));
}

export function toProof(
  fingerprint: Buffer | null,
  receivedAt: number | null,
): EventProof | undefined {
  return fingerprint && receivedAt !== null ? { fingerprint, receivedAt } : undefined;
}
