import { eventFingerprint } from '../../domain/event.ts';
import { bytea, int8 } from '../client/binary-array.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { column, defineRowSet } from '../client/row-set.ts';
import {
  knownEventFromRow,
  knownEventList,
  type KnownEventRow,
  outcomeCode,
} from '../columns/event-columns.sql.ts';
import type { VersionRange } from './tombstones.sql.ts';

/**
 * A binary search over the log, because the times of receipt rise with the versions. It needs about twenty probes of
 * the primary key, whatever the log holds, and no index over the times. The event at `low` is always old enough, so a
 * version without an event ends the search too early, and never too late.
 */
const findAgedText = `
WITH RECURSIVE search (low, high) AS (
  SELECT 0::bigint, head FROM tenants WHERE no = $1
  UNION ALL
  SELECT CASE WHEN probe.aged THEN halved.middle ELSE halved.low END,
         CASE WHEN probe.aged THEN halved.high ELSE halved.middle - 1 END
  FROM (SELECT low, high, (low + high + 1) / 2 AS middle FROM search WHERE low < high) AS halved
  CROSS JOIN LATERAL (
    SELECT extract(epoch FROM now() - event.received_at)::float8 * 1000 >= $2::float8 AS aged
    FROM events AS event
    WHERE event.tenant_no = $1 AND event.version = halved.middle
    LIMIT 1
  ) AS probe
)
SELECT max(low) AS version FROM search`;

/** The newest version of a tenant that was received at least `ageMs` milliseconds ago; 0 where there is none. */
export async function findAgedVersion(
  sender: StatementSender,
  tenantNo: number,
  ageMs: number,
): Promise<number> {
  const statement = { name: 'find-aged-version', text: findAgedText, values: [tenantNo, ageMs] };
  const { rows } = await sender.query<{ version: number | null }>(statement);
  return rows[0]?.version ?? 0;
}

/** The payload of a conflict is kept: a person may still choose it over the record. */
const loadText = `
SELECT ${knownEventList('event')}
FROM events AS event
WHERE tenant_no = $1
  AND version > $2
  AND version <= $3
  AND outcome <> ${outcomeCode('conflict')}
  AND payload IS NOT NULL`;

interface DroppedPayload {
  readonly version: number;
  readonly fingerprint: Buffer;
}

const dropped = defineRowSet<DroppedPayload>({
  version: column(int8, ({ version }) => version),
  fingerprint: column(bytea, ({ fingerprint }) => fingerprint),
});

const dropText = `
UPDATE events AS event
SET payload = NULL, fingerprint = dropped.fingerprint
FROM ${dropped.unnest('dropped')}
WHERE event.tenant_no = $${dropped.size + 1}
  AND event.version = dropped.version
  AND event.version = ANY($1::int8[])`;

const advanceText = `
UPDATE tenants
SET log_horizon = greatest(log_horizon, $2)
WHERE no = $1`;

/**
 * Drops the payloads of the events of a range. The rows stay, as receipts. Each keeps the fingerprint of what it said,
 * so that a resend is told from another event with its key. Call it under the tenant's lock.
 *
 * @returns the number of payloads
 */
export async function dropPayloads(
  sender: StatementSender,
  { tenantNo, after, upTo }: VersionRange,
): Promise<number> {
  const load = { name: 'load-payloads', text: loadText, values: [tenantNo, after, upTo] };
  const { rows } = await sender.query<KnownEventRow>(load);
  const payloads = rows.map((row): DroppedPayload => {
    const event = knownEventFromRow(row, undefined);
    const fingerprint = eventFingerprint(event);
    return { version: event.version, fingerprint };
  });
  if (payloads.length > 0) {
    const values = [...dropped.values(payloads), tenantNo];
    await sender.query({ name: 'drop-payloads', text: dropText, values });
  }
  await sender.query({
    ...{ name: 'advance-log-horizon', text: advanceText, values: [tenantNo, upTo] },
  });
  return payloads.length;
}
