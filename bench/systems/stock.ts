import { withClient } from '../../tests/testkit/postgres/client.ts';
import { insertTenantsText } from '../../tests/testkit/postgres/tenant-history.ts';

/** What a tenant has behind it when a scenario begins. */
export interface Stock {
  readonly tenants: readonly string[];
  /** A tenant: at least as many as entities. */
  readonly events: number;
  /** A tenant. */
  readonly entities: number;
}

/** As JSON, so that no text has to be escaped again. */
const title = `to_json('A note that was there before ' || version)`;
const body = `to_json(rpad('Text of a note ' || version || ' ', 165, 'harbour winch ledger lantern '))`;

/** Tenants take turns, as they did when the events came, and the indexes grow as they did. */
const insertEvents = `
INSERT INTO events (
  tenant_no, version, key_hash, identity_key, kind, kind_version, entity_type, entity_id,
  outcome, device_id, subject, occurred_at, effective_at, received_at, clock_adjusted, record_changed,
  previous_version, payload)
SELECT no, version, substr(sha256(key::bytea), 1, 16), key,
       'note.put', 1, 'note', note_id, 1, 'laptop', 'bench', at, at, at, false, true,
       CASE WHEN version > $4::bigint THEN version - $4::bigint END,
       format('{"noteId":%s,"title":%s,"body":%s}', to_json(note_id), ${title}, ${body})::json
FROM (
  SELECT no, version, md5(id || version)::uuid::text AS key, 'note-' || (version - 1) % $4::bigint AS note_id,
         now() - interval '1 day' + version * interval '1 millisecond' AS at
  FROM generate_series($2::bigint, $3::bigint) AS version
  CROSS JOIN tenants
  WHERE id = ANY($1::text[])
) AS stocked
ORDER BY version, no`;

const insertRecords = `
INSERT INTO records (
  tenant_no, entity_type, entity_id, version, last_event, deleted, data, data_version,
  origin_key, origin_kind, origin_device, origin_at, created_at, updated_at)
SELECT no, entity_type, entity_id, version, version, false,
       format('{"body":%s,"title":%s}', payload -> 'body', payload -> 'title')::json, 1,
       identity_key, kind, device_id, effective_at, received_at, received_at
FROM events
JOIN tenants ON no = tenant_no
WHERE id = ANY($1::text[]) AND version BETWEEN $2 AND $3`;

const advanceTenants = `
UPDATE tenants
SET head = $2::bigint, head_key_hash = event.key_hash, head_received_at = event.received_at
FROM events AS event
WHERE id = ANY($1::text[]) AND event.tenant_no = no AND event.version = $2::bigint`;

const rowsAtOnce = 100_000;

/** Writes it past the service, in the form in which the service itself would have. */
export async function fillStock(databaseUrl: string, stock: Stock): Promise<void> {
  const { tenants, events, entities } = stock;
  const step = Math.max(1, Math.floor(rowsAtOnce / tenants.length));
  await withClient(databaseUrl, async (client) => {
    await client.query(insertTenantsText('SELECT unnest($1::text[])'), [tenants]);
    for (let from = 1; from <= events; from += step) {
      const upTo = Math.min(events, from + step - 1);
      await client.query(insertEvents, [tenants, from, upTo, entities]);
    }
    for (let from = events - entities + 1; from <= events; from += step) {
      const upTo = Math.min(events, from + step - 1);
      await client.query(insertRecords, [tenants, from, upTo]);
    }
    await client.query(advanceTenants, [tenants, events]);
    await client.query('VACUUM (ANALYZE)');
    // What this wrote is not for the measurements to pay.
    await client.query('CHECKPOINT');
  });
}

/** The log on disk, with its indexes. */
export function logBytes(databaseUrl: string): Promise<number> {
  return withClient(databaseUrl, async (client) => {
    const { rows } = await client.query<{ bytes: number }>(
      `SELECT pg_total_relation_size('events')::float8 AS bytes`,
    );
    return rows[0]?.bytes ?? 0;
  });
}

/** Of all tenants: what the service says it has stored. */
export function countStored(databaseUrl: string): Promise<number> {
  return withClient(databaseUrl, async (client) => {
    const { rows } = await client.query<{ stored: number }>(
      'SELECT coalesce(sum(head), 0)::float8 AS stored FROM tenants',
    );
    return rows[0]?.stored ?? 0;
  });
}
