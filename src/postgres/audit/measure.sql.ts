import { jsonBytes } from '../client/expressions.sql.ts';

// In each look-up LIMIT allows no other plan than the probe of an index.

/** The lengths of the payloads of a tenant's ($1) events, by their versions ($2). */
export const measureEventsText = `
SELECT wanted.version, event.bytes
FROM (SELECT unnest($2::bigint[]) AS version) AS wanted
CROSS JOIN LATERAL (
  SELECT ${jsonBytes('payload')} AS bytes
  FROM events
  WHERE tenant_no = $1 AND version = wanted.version
  LIMIT 1
) AS event`;

export interface MeasuredEvent {
  readonly version: bigint;
  /** The length of the payload. */
  readonly bytes: number;
}

/** The lengths of the data of a tenant's ($1) records, by their entity types ($2) and ids ($3). */
export const measureRecordsText = `
SELECT wanted.entity_type AS "entityType", wanted.entity_id AS "entityId", record.bytes
FROM (SELECT unnest($2::text[]) AS entity_type, unnest($3::text[]) AS entity_id) AS wanted
CROSS JOIN LATERAL (
  SELECT ${jsonBytes('data')} AS bytes
  FROM records
  WHERE tenant_no = $1
    AND entity_type = wanted.entity_type
    AND entity_id = wanted.entity_id
  LIMIT 1
) AS record`;

export interface MeasuredRecord {
  readonly entityType: string;
  readonly entityId: string;
  /** The length of the data. */
  readonly bytes: number;
}
