import { jsonBytes } from '../client/json-bytes.sql.ts';

/** Of a tenant ($1), entity types ($2) and ids ($3). LIMIT lets each look-up only be a probe. */
export const measureRecordsText = `
SELECT wanted.entity_type AS "entityType", wanted.entity_id AS "entityId", record.bytes
FROM (SELECT unnest($2::text[]) AS entity_type, unnest($3::text[]) AS entity_id) AS wanted
CROSS JOIN LATERAL (
  SELECT ${jsonBytes('data')} AS bytes
  FROM records
  WHERE tenant_id = $1
    AND entity_type = wanted.entity_type
    AND entity_id = wanted.entity_id
  LIMIT 1
) AS record`;

export interface MeasuredRecord {
  readonly entityType: string;
  readonly entityId: string;
  /** Of the data. */
  readonly bytes: number;
}
