import type { FeedHead, HeadQuery } from '../../feed/feed-store.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { int8, text } from '../client/binary-array.ts';
import { micros } from '../client/expressions.sql.ts';
import { column, defineRowSet } from '../client/row-set.ts';
import { eventReference } from '../columns/event-columns.sql.ts';

const wanted = defineRowSet<HeadQuery>({
  tenant_id: column(text, ({ tenantId }) => tenantId),
  version: column(int8, ({ reference }) => reference),
});

/** It takes no lock: a poll asks for what is committed. LIMIT allows no other plan than the probe of an index. */
const readText = `
SELECT wanted.tenant_id, wanted.version, tenant.head, tenant.epoch,
       reference.fingerprint, reference.received_at,
       ${micros('clock_timestamp()')} AS read_at
FROM ${wanted.unnest('wanted')}
CROSS JOIN LATERAL (
  SELECT head, epoch
  FROM tenants
  WHERE id = wanted.tenant_id
  LIMIT 1
) AS tenant
LEFT JOIN LATERAL (
  SELECT fingerprint, ${micros('received_at')} AS received_at
  FROM events
  WHERE tenant_id = wanted.tenant_id AND version = wanted.version
  LIMIT 1
) AS reference ON true`;

interface Row {
  readonly tenant_id: string;
  readonly version: number;
  readonly head: number;
  readonly epoch: string;
  readonly fingerprint: Buffer | null;
  readonly received_at: number | null;
  readonly read_at: number;
}

/** @returns one head for each query, in the given order; undefined where the tenant has no row */
export async function readHeads(
  sender: StatementSender,
  queries: readonly HeadQuery[],
): Promise<readonly (FeedHead | undefined)[]> {
  // Devices of one tenant that are at the same version send the same query.
  const distinct = new Map(queries.map((query) => [keyOf(query.tenantId, query.reference), query]));
  const sorted = [...distinct.keys()].sort().flatMap((key) => distinct.get(key) ?? []);
  const { rows } = await sender.query<Row>({
    name: 'read-heads',
    text: readText,
    values: wanted.values(sorted),
  });
  const found = new Map(
    rows.map((row) => [keyOf(row.tenant_id, row.version), toFeedHead(row)] as const),
  );
  return queries.map(({ tenantId, reference }) => found.get(keyOf(tenantId, reference)));
}

const keyOf = (tenantId: string, version: number) => `${tenantId}\n${version}`;

function toFeedHead(row: Row): FeedHead {
  return {
    head: row.head,
    epoch: row.epoch,
    reference: eventReference(row.fingerprint, row.received_at),
    readAt: row.read_at,
  };
}
