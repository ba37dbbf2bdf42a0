import type { ClientBase } from 'pg';
import type { EventRow, OfTenant } from '../store.ts';

const text = `
INSERT INTO events (
  tenant_id, version, identity_key, fingerprint, kind, kind_version, entity_type, entity_id,
  outcome, device_id, subject, occurred_at, effective_at, received_at, clock_adjusted,
  base_version, base_key, sequence, payload, record_before, record_after)
SELECT tenant_id, version, identity_key, fingerprint, kind, kind_version, entity_type, entity_id,
       outcome, device_id, subject,
       timestamptz 'epoch' + occurred_at * interval '1 microsecond',
       timestamptz 'epoch' + effective_at * interval '1 microsecond',
       timestamptz 'epoch' + received_at * interval '1 microsecond',
       clock_adjusted, base_version, base_key, sequence, payload::json, record_before, record_after
FROM unnest(
  $1::text[], $2::bigint[], $3::text[], $4::bytea[], $5::text[], $6::int[], $7::text[], $8::text[],
  $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bool[],
  $16::bigint[], $17::text[], $18::bigint[], $19::text[], $20::bigint[], $21::bigint[]
) AS event (
  tenant_id, version, identity_key, fingerprint, kind, kind_version, entity_type, entity_id,
  outcome, device_id, subject, occurred_at, effective_at, received_at, clock_adjusted,
  base_version, base_key, sequence, payload, record_before, record_after)`;

/** Appends to the log. */
export async function insertEvents(
  client: ClientBase,
  events: readonly OfTenant<EventRow>[],
): Promise<void> {
  await client.query({
    name: 'insert-events',
    text,
    values: [
      events.map((event) => event.tenantId),
      events.map((event) => event.version),
      events.map((event) => event.identityKey),
      events.map((event) => event.fingerprint),
      events.map((event) => event.kind),
      events.map((event) => event.kindVersion),
      events.map((event) => event.entityType),
      events.map((event) => event.entityId),
      events.map((event) => event.outcome),
      events.map((event) => event.deviceId),
      events.map((event) => event.subject),
      events.map((event) => event.occurredAt),
      events.map((event) => event.effectiveAt),
      events.map((event) => event.receivedAt),
      events.map((event) => event.clockAdjusted),
      events.map((event) => event.baseVersion),
      events.map((event) => event.baseKey),
      events.map((event) => event.sequence),
      events.map((event) => event.payload),
      events.map((event) => event.recordBefore),
      events.map((event) => event.recordAfter),
    ],
  });
}
