import type { StatementSender } from '../client/pipeline.ts';

/**
 * Times of receipt rise with the versions, so the halves of the log are halved again: some twenty
 * probes of the primary key, whatever the log holds, and no index over the times. `low` is always
 * known to be old enough, so that a hole ends the search early and never too far.
 */
const text = `
WITH RECURSIVE search (low, high) AS (
  SELECT 0::bigint, head FROM tenants WHERE id = $1
  UNION ALL
  SELECT CASE WHEN probe.aged THEN halved.middle ELSE halved.low END,
         CASE WHEN probe.aged THEN halved.high ELSE halved.middle - 1 END
  FROM (SELECT low, high, (low + high + 1) / 2 AS middle FROM search WHERE low < high) AS halved
  CROSS JOIN LATERAL (
    SELECT extract(epoch FROM now() - event.received_at)::float8 * 1000 >= $2::float8 AS aged
    FROM events AS event
    WHERE event.tenant_id = $1 AND event.version = halved.middle
    LIMIT 1
  ) AS probe
)
SELECT max(low) AS version FROM search`;

/** The newest version of a tenant that was received so many milliseconds ago; 0 where none was. */
export async function findAgedVersion(
  sender: StatementSender,
  tenantId: string,
  ageMs: number,
): Promise<number> {
  const { rows } = await sender.query<{ version: number | null }>({
    name: 'find-aged-version',
    text,
    values: [tenantId, ageMs],
  });
  return rows[0]?.version ?? 0;
}
