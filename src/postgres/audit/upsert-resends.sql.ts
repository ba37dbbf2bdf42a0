import type { ResendCount } from '../../audit/audit-store.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { int8, text, timestamptz } from '../client/binary-array.ts';
import { column, type ColumnsOf, defineRowSet } from '../client/row-set.ts';

const counted = defineRowSet<ResendCount>({
  tenant_id: column(text, ({ tenantId }) => tenantId),
  version: column(int8, ({ version }) => version),
  count: column(int8, ({ count }) => count),
  last_at: column(timestamptz, ({ lastAt }) => lastAt),
} satisfies ColumnsOf<ResendCount>);

/**
 * LIMIT allows no other plan than a probe for each look-up, whatever the tables held when the plan was made. The lock
 * is for the removal of a tenant: the removal waits for an event whose count is being written, and the count of an
 * event that was removed is not written. An event that was received after the resend is not the event that was sent
 * again: the tenant was removed in between, and the event has the same version in the new log.
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
 * Adds to the stored counts. Each event may be in `counts` at most once. The rows are sent in the order of their keys,
 * so that two processes that count the same events wait for each other instead of deadlocking.
 */
export async function upsertResends(
  sender: StatementSender,
  counts: readonly ResendCount[],
): Promise<void> {
  const values = counted.values(counts.toSorted(byKey));
  await sender.query({ name: 'upsert-resends', text: upsertText, values });
}

function byKey(one: ResendCount, other: ResendCount): number {
  if (one.tenantId === other.tenantId) return one.version - other.version;
  return one.tenantId < other.tenantId ? -1 : 1;
}
