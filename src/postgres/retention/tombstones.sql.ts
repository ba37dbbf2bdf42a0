import type { StatementSender } from '../client/pipeline.ts';
import {
  assignExcluded,
  purgedColumns,
  replacedPurgedColumns,
} from '../columns/record-columns.sql.ts';

/** A range of a tenant's versions. */
export interface VersionRange {
  readonly tenantNo: number;
  /** The last version before the range. */
  readonly after: number;
  /** The last version of the range. */
  readonly upTo: number;
}

/** WITH TIES: the records that one event wrote are read together, because the next window begins after the event. */
const findText = `
SELECT max(version) AS last, count(*) FILTER (WHERE deleted) AS tombstones
FROM (
  SELECT version, deleted
  FROM records
  WHERE tenant_no = $1 AND version > $2 AND version <= $3
  ORDER BY version
  FETCH FIRST ($4::bigint) ROWS WITH TIES
) AS looked_at`;

export interface FoundTombstones {
  /** The version of the last record that was read; null where the range holds no record. */
  readonly last: number | null;
  readonly tombstones: number;
}

/** Counts the tombstones among the first `limit` records of a range. It locks nothing. */
export async function findTombstones(
  sender: StatementSender,
  { tenantNo, after, upTo }: VersionRange,
  limit: number,
): Promise<FoundTombstones> {
  const values = [tenantNo, after, upTo, limit];
  const statement = { name: 'find-tombstones', text: findText, values };
  const { rows } = await sender.query<FoundTombstones>(statement);
  return rows[0] ?? { last: null, tombstones: 0 };
}

/** The clock is kept whole. Without it, a put that lost before the purge would win after it. */
const purgeText = `
WITH purged AS (
  DELETE FROM records
  WHERE tenant_no = $1 AND version > $2 AND version <= $3 AND deleted
  RETURNING *
), kept AS (
  INSERT INTO purged_records (${purgedColumns.join(', ')})
  SELECT ${purgedColumns.join(', ')}
  FROM purged
  ON CONFLICT (tenant_no, entity_type, entity_id) DO UPDATE SET
    ${assignExcluded(replacedPurgedColumns)}
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
WHERE no = $1
RETURNING (SELECT count(*) FROM purged) AS count`;

/**
 * Moves the tombstones of a range out of the feed. The tenant's horizon moves to the last of them, and the horizon
 * of each entity type to the last of that type. Call it under the tenant's lock.
 *
 * @returns the number of tombstones
 */
export async function purgeTombstones(
  sender: StatementSender,
  { tenantNo, after, upTo }: VersionRange,
): Promise<number> {
  const statement = { name: 'purge-tombstones', text: purgeText, values: [tenantNo, after, upTo] };
  const { rows } = await sender.query<{ count: number }>(statement);
  return rows[0]?.count ?? 0;
}
