import type { ClientBase } from 'pg';
import type { ReplayCount } from '../audit.ts';

/**
 * In key order, so that two processes that count the same events wait for each other instead of
 * deadlocking. The lock is for the removal of a tenant: it waits with an event whose count is being
 * written, and the count of an event that it has removed is not written. What was received after the
 * last replay is not what was replayed, but has its version in the tenant's next life.
 */
const text = `
INSERT INTO replays AS replay (tenant_id, version, count, last_at)
SELECT counted.tenant_id, counted.version, counted.count,
       timestamptz 'epoch' + counted.last_at * interval '1 microsecond'
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
  AS counted (tenant_id, version, count, last_at)
JOIN events AS event
  ON event.tenant_id = counted.tenant_id AND event.version = counted.version
 AND event.received_at <= timestamptz 'epoch' + counted.last_at * interval '1 microsecond'
ORDER BY counted.tenant_id COLLATE "C", counted.version
FOR KEY SHARE OF event
ON CONFLICT (tenant_id, version) DO UPDATE SET
  count = replay.count + excluded.count,
  last_at = greatest(replay.last_at, excluded.last_at)`;

/** Adds to the counts. Each event at most once. */
export async function upsertReplays(
  client: ClientBase,
  counts: readonly ReplayCount[],
): Promise<void> {
  await client.query({
    name: 'upsert-replays',
    text,
    values: [
      counts.map(({ tenantId }) => tenantId),
      counts.map(({ version }) => version),
      counts.map(({ count }) => count),
      counts.map(({ lastAt }) => lastAt),
    ],
  });
}
