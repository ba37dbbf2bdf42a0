import type { QueryConfig } from 'pg';
import type { WithTenant } from '../../domain/decide/tenant-plan.ts';
import type { RecordState } from '../../domain/record.ts';
import { bool, int4, int8, json, text, timestamptz } from '../client/binary-array.ts';
import { column, defineRowSet } from '../client/row-set.ts';

const records = defineRowSet<WithTenant<RecordState>>({
  tenant_id: column(text, (record) => record.tenantId),
  entity_type: column(text, (record) => record.entityType),
  entity_id: column(text, (record) => record.entityId),
  version: column(int8, (record) => record.version),
  deleted: column(bool, (record) => record.deleted),
  data: column(json, (record) => record.data),
  data_version: column(int4, (record) => record.dataVersion),
  clock: column(json, (record) => JSON.stringify(record.clock)),
  sequence: column(int8, (record) => record.sequence),
  origin_key: column(text, (record) => record.originKey),
  origin_kind: column(text, (record) => record.originKind),
  origin_device: column(text, (record) => record.originDevice),
  origin_at: column(timestamptz, (record) => record.originAt),
  created_at: column(timestamptz, (record) => record.createdAt),
  updated_at: column(timestamptz, (record) => record.updatedAt),
});

export const upsertText = `
INSERT INTO records (${records.columns})
SELECT ${records.columns}
FROM ${records.unnest('changed')}
ON CONFLICT (tenant_id, entity_type, entity_id) DO UPDATE SET
  version = excluded.version,
  deleted = excluded.deleted,
  data = excluded.data,
  data_version = excluded.data_version,
  clock = excluded.clock,
  sequence = excluded.sequence,
  origin_key = excluded.origin_key,
  origin_kind = excluded.origin_kind,
  origin_device = excluded.origin_device,
  origin_at = excluded.origin_at,
  updated_at = excluded.updated_at`;

/** Replaces whole records. Each entity at most once; to be sent under their tenants' locks. */
export function upsertRecords(rows: readonly WithTenant<RecordState>[]): QueryConfig {
  return { name: 'upsert-records', text: upsertText, values: records.values(rows) };
}
