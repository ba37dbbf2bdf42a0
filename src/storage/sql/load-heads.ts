import type { ClientBase } from 'pg';
import type { EventProof } from '../store.ts';
import { int8, text } from './binary-array.ts';
import { micros } from './micros.ts';
import { column, defineRowSet } from './row-set.ts';

interface Wanted {
  readonly id: string;
  readonly head: number;
}

const wanted = defineRowSet<Wanted>({
  tenant_id: column(text, ({ id }) => id),
  version: column(int8, ({ head }) => head),
});

/** clock_timestamp() and not now(): the transaction began before it waited for the lock. */
const loadText = `
SELECT wanted.tenant_id,
       event.fingerprint,
       ${micros('event.received_at')} AS received_at,
       ${micros('clock_timestamp()')} AS clock
FROM ${wanted.unnest('wanted')}
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
  tenants: readonly Wanted[],
): Promise<readonly Head[]> {
  const { rows } = await client.query<Row>({
    name: 'load-heads',
    text: loadText,
    values: wanted.values(tenants),
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
