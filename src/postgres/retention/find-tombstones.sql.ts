import type { StatementSender } from '../client/pipeline.ts';

/** WITH TIES: what one event wrote is looked at together, as the next window begins after it. */
const text = `
SELECT max(version) AS last, count(*) FILTER (WHERE deleted) AS tombstones
FROM (
  SELECT version, deleted
  FROM records
  WHERE tenant_id = $1 AND version > $2 AND version <= $3
  ORDER BY version
  FETCH FIRST ($4::bigint) ROWS WITH TIES
) AS looked_at`;

/** A stretch of a tenant's records in version order. */
export interface VersionRange {
  readonly tenantId: string;
  /** Not this one, but what comes after it … */
  readonly after: number;
  /** … up to and including this one. */
  readonly upTo: number;
}

export interface FoundTombstones {
  /** The last version that was looked at; null where the range holds no record. */
  readonly last: number | null;
  readonly tombstones: number;
}

/** Looks at the first so many records of a range. Locks nothing. */
export async function findTombstones(
  sender: StatementSender,
  { tenantId, after, upTo }: VersionRange,
  limit: number,
): Promise<FoundTombstones> {
  const { rows } = await sender.query<FoundTombstones>({
    name: 'find-tombstones',
    text,
    values: [tenantId, after, upTo, limit],
  });
  return rows[0] ?? { last: null, tombstones: 0 };
}
