import type { QueryConfig } from 'pg';
import type { EventReference } from '../../domain/event.ts';
import { hexBytes, int4, int8, timestamptz } from '../client/binary-array.ts';
import { micros } from '../client/expressions.sql.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { column, defineRowSet } from '../client/row-set.ts';
import type { FormedText, TenantForm } from '../client/tenant-rows.sql.ts';
import { eventReference } from '../columns/event-columns.sql.ts';

/**
 * In the order of the numbers: two groups that share tenants wait for each other instead of deadlocking. A row that
 * was waited for is read again, as the transaction before left it. The time is read behind the lock: the transaction
 * began before the wait, so it is clock_timestamp() and not now(), and it stands outside of the subquery.
 */
const lockText = `
SELECT locked.*, ${micros('clock_timestamp()')} AS clock
FROM (
  SELECT no, id, head, epoch, horizon, encode(head_key_hash, 'hex') AS key_hash,
         ${micros('head_received_at')} AS received_at
  FROM tenants
  WHERE no = ANY($1::int[])
  ORDER BY no
  FOR UPDATE
) AS locked`;

interface HeadRow {
  readonly no: number;
  readonly id: string;
  readonly head: number;
  readonly epoch: string;
  readonly horizon: number;
  readonly key_hash: string | null;
  readonly received_at: number | null;
  readonly clock: number;
}

export interface TenantHead {
  readonly tenantNo: number;
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

/** Locks the rows of tenants. @returns the heads of their logs; a tenant that was removed has none */
export async function lockTenants(
  sender: StatementSender,
  numbers: readonly number[],
): Promise<readonly TenantHead[]> {
  const statement = { name: 'lock-tenants', text: lockText, values: [numbers] };
  const { rows } = await sender.query<HeadRow>(statement);
  return rows.map((row) => ({
    tenantNo: row.no,
    tenantId: row.id,
    head: row.head,
    epoch: row.epoch,
    horizon: row.horizon,
    reference: eventReference(row.key_hash, row.received_at),
    clock: row.clock,
  }));
}

/** The head of a tenant's log, with the event there. */
export interface NewHead {
  readonly tenantNo: number;
  readonly head: number;
  readonly reference: EventReference;
}

const heads = defineRowSet<NewHead>({
  no: column(int4, ({ tenantNo }) => tenantNo),
  head: column(int8, ({ head }) => head),
  head_key_hash: column(hexBytes, ({ reference }) => reference.keyHash),
  head_received_at: column(timestamptz, ({ reference }) => reference.receivedAt),
});

const placeOfTenant = 'array_position($1::int[], no)';

/**
 * `many` is no join: a join that was planned while there were no tenants would read all of them. `one` is planned for its
 * tenant, and has no element of an array in SET: Citus 13.2 ends its session by a segmentation fault at one.
 */
const advanceHeadsText: FormedText = {
  many: `
UPDATE tenants
SET head = ($2::int8[])[${placeOfTenant}],
    head_key_hash = ($3::bytea[])[${placeOfTenant}],
    head_received_at = ($4::timestamptz[])[${placeOfTenant}]
WHERE no = ANY($1::int[])`,
  one: `
UPDATE tenants
SET head = moved.head,
    head_key_hash = moved.head_key_hash,
    head_received_at = moved.head_received_at
FROM ${heads.unnest('moved')}
WHERE tenants.no = ($1::int[])[1]`,
};

/** Moves the heads of tenants to their newest events. */
export function advanceHeads(rows: readonly NewHead[], form: TenantForm): QueryConfig {
  return { name: 'advance-heads', text: advanceHeadsText[form], values: heads.values(rows) };
}
