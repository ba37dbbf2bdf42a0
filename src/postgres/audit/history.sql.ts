// The history of an entity ($2, $3) of a tenant ($1) has no index. Each event of the log names the last event before it
// that touched its entity, and the record names the last of all. What events wrote to records beside their own, and events
// whose entity has no record, stand in `effects`.

const ofEntity = 'tenant_no = $1::int AND entity_type = $2::text AND entity_id = $3::text';

const newest = `greatest(
    (SELECT last_event FROM records WHERE ${ofEntity} LIMIT 1),
    (SELECT last_event FROM purged_records WHERE ${ofEntity} LIMIT 1),
    (SELECT version FROM effects WHERE ${ofEntity} ORDER BY version DESC LIMIT 1))`;

const before = (version: string) => `greatest(
      (SELECT previous_version FROM events
       WHERE tenant_no = $1::int AND version = ${version} AND entity_type = $2::text AND entity_id = $3::text
       LIMIT 1),
      (SELECT previous_version FROM effects WHERE ${ofEntity} AND version = ${version} LIMIT 1),
      (SELECT version FROM effects WHERE ${ofEntity} AND version < ${version} ORDER BY version DESC LIMIT 1))`;

/** The versions of an entity's history before one of them ($4; NULL for all), the newest first, at most $5. */
export const historyText = `
WITH RECURSIVE history AS (
  SELECT coalesce($4::bigint, ${newest}) AS version, CASE WHEN $4::bigint IS NULL THEN 1 ELSE 0 END AS place
  UNION ALL
  SELECT earlier.version, history.place + 1
  FROM history
  CROSS JOIN LATERAL (SELECT ${before('history.version')} AS version) AS earlier
  WHERE history.place < $5::int AND earlier.version IS NOT NULL
)
SELECT history.version,
       coalesce(event.record_before, effect.record_before) AS "recordBefore",
       coalesce(event.record_after, effect.record_after) AS "recordAfter"
FROM history
LEFT JOIN LATERAL (
  SELECT coalesce(record_before, previous_version, 0) AS record_before,
         CASE WHEN record_changed THEN version ELSE coalesce(record_before, previous_version, 0) END AS record_after
  FROM events
  WHERE tenant_no = $1::int AND version = history.version AND entity_type = $2::text AND entity_id = $3::text
  LIMIT 1
) AS event ON true
LEFT JOIN LATERAL (
  SELECT record_before, record_after
  FROM effects
  WHERE ${ofEntity} AND version = history.version
  LIMIT 1
) AS effect ON true
WHERE history.version IS NOT NULL
ORDER BY history.version DESC`;

/** An entry of a history. Both record versions are null where the version is no entry. */
export interface HistoryPosition {
  readonly version: bigint;
  readonly recordBefore: bigint | null;
  readonly recordAfter: bigint | null;
}
