import type { StatementSender } from '../client/pipeline.ts';
import type { VersionRange } from './find-tombstones.sql.ts';

/** The clock stays whole: without it a put that had lost before the purge would win after it. */
const text = `
WITH purged AS (
  DELETE FROM records
  WHERE tenant_id = $1 AND version > $2 AND version <= $3 AND deleted
  RETURNING *
), kept AS (
  INSERT INTO purged_records (
    tenant_id, entity_type, entity_id, version, clock, sequence,
    origin_key, origin_kind, origin_device, origin_at, created_at, updated_at)
  SELECT tenant_id, entity_type, entity_id, version,
         clock, sequence,
         origin_key, origin_kind, origin_device, origin_at, created_at, updated_at
  FROM purged
  ON CONFLICT (tenant_id, entity_type, entity_id) DO UPDATE SET
    version = excluded.version,
    clock = excluded.clock,
    sequence = excluded.sequence,
    origin_key = excluded.origin_key,
    origin_kind = excluded.origin_kind,
    origin_device = excluded.origin_device,
    origin_at = excluded.origin_at,
    created_at = excluded.created_at,
    updated_at = excluded.updated_at
)
UPDATE tenants
SET horizon = greatest(horizon, (SELECT max(version) FROM purged)),
    horizons = horizons || (
      SELECT coalesce(jsonb_object_agg(entity_type, version), '{}')
      FROM (
        SELECT entity_type, greatest(max(version), (tenants.horizons ->> entity_type)::bigint) AS version
        FROM purged
        GROUP BY entity_type
      ) AS newest)
WHERE id = $1
RETURNING (SELECT count(*) FROM purged) AS count`;

/**
 * Takes a range's tombstones out of the feed, and moves the horizon to the last of them, that of each entity
 * type to the last of its own. Call it under the tenant's lock.
 *
 * @returns how many there were
 */
export async function purgeTombstones(
  sender: StatementSender,
  { tenantId, after, upTo }: VersionRange,
): Promise<number> {
  const { rows } = await sender.query<{ count: number }>({
    name: 'purge-tombstones',
    text,
    values: [tenantId, after, upTo],
  });
  return rows[0]?.count ?? 0;
}
