import type { ResendCount } from '../../audit/audit-store.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { int8, text, timestamptz } from '../client/binary-array.ts';
import { column, defineRowSet } from '../client/row-set.ts';

const counted = defineRowSet<ResendCount>({
  tenant_id: column(text, ({ tenantId }) => tenantId),
  version: column(int8, ({ version }) => version),
  count: column(int8, ({ count }) => count),
  last_at: column(timestamptz, ({ lastAt }) => lastAt),
});

/**
 * LIMIT lets each look-up only be a probe, whatever the tables held when the plan was made. The lock is for
 * the removal of a tenant: it waits with an event whose count is being written, and the count of an event
 * that it has removed is not written. What was received after the last replay is not what was replayed, but
 * has its version in the tenant's next life.
 */
const upsertText = `
INSERT INTO replays AS replay (tenant_id, version, count, last_at)
SELECT counted.tenant_id, counted.version, counted.count, counted.last_at
FROM ${counted.unnest('counted')}
CROSS JOIN LATERAL (
  SELECT
  FROM events
  WHERE tenant_id = counted.tenant_id
    AND version = counted.version
    AND received_at <= counted.last_at
  LIMIT 1
  FOR KEY SHARE
) AS event
ON CONFLICT (tenant_id, version) DO UPDATE SET
  count = replay.count + excluded.count,
  last_at = greatest(replay.last_at, excluded.last_at)`;

/**
 * Adds to the counts. Each event at most once. They are sent in the order of their keys, so that two processes
 * that count the same events wait for each other instead of deadlocking.
 */
export async function upsertResends(
  sender: StatementSender,
  counts: readonly ResendCount[],
): Promise<void> {
  const values = counted.values(counts.toSorted(byKey));
  await sender.query({ name: 'upsert-replays', text: upsertText, values });
}

function byKey(one: ResendCount, other: ResendCount): number {
  if (one.tenantId === other.tenantId) return one.version - other.version;
  return one.tenantId < other.tenantId ? -1 : 1;
}
