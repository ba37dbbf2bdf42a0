import { jsonBytes } from '../client/json-bytes.sql.ts';

/** Of a tenant ($1) and versions ($2). LIMIT lets each look-up only be a probe. */
export const measureEventsText = `
SELECT wanted.version, event.bytes
FROM (SELECT unnest($2::bigint[]) AS version) AS wanted
CROSS JOIN LATERAL (
  SELECT ${jsonBytes('payload')} AS bytes
  FROM events
  WHERE tenant_id = $1 AND version = wanted.version
  LIMIT 1
) AS event`;

export interface MeasuredEvent {
  readonly version: bigint;
  /** Of the payload. */
  readonly bytes: number;
}
