import type { ClientBase } from 'pg';
import type { OfTenant, RecordState } from '../store.ts';

const text = `
INSERT INTO records AS record (
  tenant_id, entity_type, entity_id, version, deleted, data, clock, sequence,
  origin_key, origin_kind, origin_device, origin_at, created_at, updated_at)
SELECT tenant_id, entity_type, entity_id, version, deleted, data::json, clock::json, sequence,
       origin_key, origin_kind, origin_device,
       timestamptz 'epoch' + origin_at * interval '1 microsecond',
       timestamptz 'epoch' + created_at * interval '1 microsecond',
       timestamptz 'epoch' + updated_at * interval '1 microsecond'
FROM unnest(
  $1::text[], $2::text[], $3::text[], $4::bigint[], $5::bool[], $6::text[], $7::text[],
  $8::bigint[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[]
) AS changed (
  tenant_id, entity_type, entity_id, version, deleted, data, clock, sequence,
  origin_key, origin_kind, origin_device, origin_at, created_at, updated_at)
ON CONFLICT (tenant_id, entity_type, entity_id) DO UPDATE SET
  version = excluded.version,
  deleted = excluded.deleted,
  data = excluded.data,
  clock = excluded.clock,
  sequence = excluded.sequence,
  origin_key = excluded.origin_key,
  origin_kind = excluded.origin_kind,
  origin_device = excluded.origin_device,
  origin_at = excluded.origin_at,
  updated_at = excluded.updated_at`;

/** Replaces whole records. Each entity at most once; call it under their tenants' locks. */
export async function upsertRecords(
  client: ClientBase,
  records: readonly OfTenant<RecordState>[],
): Promise<void> {
  await client.query({
    name: 'upsert-records',
    text,
    values: [
      records.map((record) => record.tenantId),
      records.map((record) => record.entityType),
      records.map((record) => record.entityId),
      records.map((record) => record.version),
      records.map((record) => record.deleted),
      records.map((record) => record.data),
      records.map((record) => JSON.stringify(record.clock)),
      records.map((record) => record.sequence),
      records.map((record) => record.originKey),
      records.map((record) => record.originKind),
      records.map((record) => record.originDevice),
      records.map((record) => record.originAt),
      records.map((record) => record.createdAt),
      records.map((record) => record.updatedAt),
    ],
  });
}
