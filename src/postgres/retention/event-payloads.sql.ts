import type { StatementSender } from '../client/pipeline.ts';
import type { VersionRange } from './tombstones.sql.ts';

/**
 * A binary search over the log, because the times of receipt rise with the versions. It needs about twenty probes of
 * the primary key, whatever the log holds, and no index over the times. The event at `low` is always old enough, so a
 * version without an event ends the search too early, and never too late.
 */
const findAgedText = `
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

/** The newest version of a tenant that was received at least `ageMs` milliseconds ago; 0 where there is none. */
export async function findAgedVersion(
  sender: StatementSender,
  tenantId: string,
  ageMs: number,
): Promise<number> {
  const statement = { name: 'find-aged-version', text: findAgedText, values: [tenantId, ageMs] };
  const { rows } = await sender.query<{ version: number | null }>(statement);
  return rows[0]?.version ?? 0;
}

/** The payload of a conflict is kept: a person may still choose it over the record. */
const dropText = `
WITH dropped AS (
  UPDATE events
  SET payload = NULL
  WHERE tenant_id = $1
    AND version > $2
    AND version <= $3
    AND outcome <> 'conflict'
    AND payload IS NOT NULL
  RETURNING version
)
UPDATE tenants
SET log_horizon = greatest(log_horizon, $3)
WHERE id = $1
RETURNING (SELECT count(*) FROM dropped) AS count`;

/**
 * Drops the payloads of the events of a range. The rows stay, as receipts. Call it under the tenant's lock.
 *
 * @returns the number of payloads
 */
export async function dropPayloads(
  sender: StatementSender,
  { tenantId, after, upTo }: VersionRange,
): Promise<number> {
  const statement = { name: 'drop-payloads', text: dropText, values: [tenantId, after, upTo] };
  const { rows } = await sender.query<{ count: number }>(statement);
  return rows[0]?.count ?? 0;
}
