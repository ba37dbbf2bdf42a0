import { withClient } from '../../tests/testkit/postgres/client.ts';

/** What a tenant has behind it when a scenario begins. */
export interface Stock {
  readonly tenants: readonly string[];
  /** A tenant: at least as many as entities. */
  readonly events: number;
  /** A tenant. */
  readonly entities: number;
}

const note = (seed: string) => `
  json_build_object(
    'title', 'A note that was there before ' || ${seed},
    'body', rpad('Text of a note ' || ${seed} || ' ', 165, 'harbour winch ledger lantern '))`;

/** Tenants take turns, as they did when the events came, and the indexes grow as they did. */
const insertEvents = `
INSERT INTO events (
  tenant_id, version, identity_key, fingerprint, kind, kind_version, entity_type, entity_id,
  outcome, device_id, subject, occurred_at, effective_at, received_at, clock_adjusted, payload,
  record_before, record_after)
SELECT tenant, version, md5(tenant || version)::uuid::text, sha256((tenant || version)::bytea),
       'note.put', 1, 'note', note_id, 'applied', 'laptop', 'bench', at, at, at, false,
       json_build_object('noteId', note_id, 'title', content ->> 'title', 'body', content ->> 'body'),
       greatest(version - $4::bigint, 0), version
FROM (
  SELECT tenant, version, 'note-' || (version - 1) % $4::bigint AS note_id,
         now() - interval '1 day' + version * interval '1 millisecond' AS at,
         ${note('version')} AS content
  FROM generate_series($2::bigint, $3::bigint) AS version
  CROSS JOIN unnest($1::text[]) AS tenant
) AS stocked
ORDER BY version, tenant`;

const insertRecords = `
INSERT INTO records (
  tenant_id, entity_type, entity_id, version, deleted, data, clock,
  origin_key, origin_kind, origin_device, origin_at, created_at, updated_at)
SELECT tenant_id, entity_type, entity_id, version, false,
       json_build_object('title', payload ->> 'title', 'body', payload ->> 'body'),
       json_build_object('put', json_build_array(
         (extract(epoch FROM effective_at) * 1000000)::bigint, identity_key)),
       identity_key, kind, device_id, effective_at, received_at, received_at
FROM events
WHERE tenant_id = ANY($1::text[]) AND version > $2`;

const insertTenants = 'INSERT INTO tenants (id, head) SELECT unnest($1::text[]), $2';

const rowsAtOnce = 100_000;

/** Writes it past the service, in the form in which the service itself would have. */
export async function fillStock(databaseUrl: string, stock: Stock): Promise<void> {
  const { tenants, events, entities } = stock;
  const step = Math.max(1, Math.floor(rowsAtOnce / tenants.length));
  await withClient(databaseUrl, async (client) => {
    for (let from = 1; from <= events; from += step) {
      const upTo = Math.min(events, from + step - 1);
      await client.query(insertEvents, [tenants, from, upTo, entities]);
    }
    await client.query(insertRecords, [tenants, events - entities]);
    await client.query(insertTenants, [tenants, events]);
    await client.query('VACUUM (ANALYZE)');
    // What this wrote is not for the measurements to pay.
    await client.query('CHECKPOINT');
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
