import type { StatementSender } from '../client/pipeline.ts';
import type { VersionRange } from './find-tombstones.sql.ts';

/** A conflict's payload is one of the two sides that a person may still have to choose between. */
const text = `
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
 * Drops what the events of a range carried; their rows stay, as receipts. Call it under the
 * tenant's lock.
 *
 * @returns how many payloads there were
 */
export async function dropPayloads(
  sender: StatementSender,
  { tenantId, after, upTo }: VersionRange,
): Promise<number> {
  const { rows } = await sender.query<{ count: number }>({
    name: 'drop-payloads',
    text,
    values: [tenantId, after, upTo],
  });
  return rows[0]?.count ?? 0;
}
