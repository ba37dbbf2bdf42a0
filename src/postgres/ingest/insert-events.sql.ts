import type { QueryConfig } from 'pg';
import type { StoredEvent } from '../../domain/stored-event.ts';
import type { WithTenant } from '../../domain/decide/tenant-plan.ts';
import { bool, bytea, int4, int8, json, text, timestamptz } from '../client/binary-array.ts';
import { column, defineRowSet } from '../client/row-set.ts';

const events = defineRowSet<WithTenant<StoredEvent>>({
  tenant_id: column(text, (event) => event.tenantId),
  version: column(int8, (event) => event.version),
  identity_key: column(text, (event) => event.identityKey),
  fingerprint: column(bytea, (event) => event.fingerprint),
  kind: column(text, (event) => event.kind),
  kind_version: column(int4, (event) => event.kindVersion),
  entity_type: column(text, (event) => event.entityType),
  entity_id: column(text, (event) => event.entityId),
  outcome: column(text, (event) => event.outcome),
  device_id: column(text, (event) => event.deviceId),
  subject: column(text, (event) => event.subject),
  occurred_at: column(timestamptz, (event) => event.occurredAt),
  effective_at: column(timestamptz, (event) => event.effectiveAt),
  received_at: column(timestamptz, (event) => event.receivedAt),
  clock_adjusted: column(bool, (event) => event.clockAdjusted),
  base_version: column(int8, (event) => event.baseVersion),
  base_key: column(text, (event) => event.baseKey),
  sequence: column(int8, (event) => event.sequence),
  payload: column(json, (event) => event.payload),
  record_before: column(int8, (event) => event.recordBefore),
  record_after: column(int8, (event) => event.recordAfter),
});

export const insertText = `
INSERT INTO events (${events.columns})
SELECT ${events.columns}
FROM ${events.unnest('event')}`;

/** Appends to the log. */
export function insertEvents(rows: readonly WithTenant<StoredEvent>[]): QueryConfig {
  return { name: 'insert-events', text: insertText, values: events.values(rows) };
}
