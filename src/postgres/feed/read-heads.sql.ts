import type { EventReference } from '../../domain/event.ts';
import { micros } from '../client/expressions.sql.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { eventReference } from '../columns/event-columns.sql.ts';

/** It takes no lock: a poll asks for what is committed. */
const readText = `
SELECT no, id, head, epoch, encode(head_key_hash, 'hex') AS key_hash,
       ${micros('head_received_at')} AS received_at,
       ${micros('clock_timestamp()')} AS read_at
FROM tenants
WHERE no = ANY($1::int[])`;

interface Row {
  readonly no: number;
  readonly id: string;
  readonly head: number;
  readonly epoch: string;
  readonly key_hash: string | null;
  readonly received_at: number | null;
  readonly read_at: number;
}

/** The end of a tenant's feed, and whose it is. */
export interface ReadHead {
  readonly tenantNo: number;
  readonly tenantId: string;
  readonly head: number;
  readonly epoch: string;
  /** The event at the head. */
  readonly reference: EventReference | undefined;
  readonly readAt: number;
}

/** The heads of those of the tenants that are there. */
export async function readHeads(
  sender: StatementSender,
  numbers: readonly number[],
): Promise<readonly ReadHead[]> {
  const statement = { name: 'read-heads', text: readText, values: [numbers] };
  const { rows } = await sender.query<Row>(statement);
  return rows.map((row) => ({
    tenantNo: row.no,
    tenantId: row.id,
    head: row.head,
    epoch: row.epoch,
    reference: eventReference(row.key_hash, row.received_at),
    readAt: row.read_at,
  }));
}
