import type { KnownEvent, StoredOutcome } from '../../domain/stored-event.ts';
import type { WithTenant } from '../../domain/decide/tenant-plan.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { text } from '../client/binary-array.ts';
import { toEventReference } from './load-heads.sql.ts';
import { micros } from '../client/micros.sql.ts';
import { column, defineRowSet } from '../client/row-set.ts';

interface TenantKey {
  readonly tenantId: string;
  readonly identityKey: string;
}

const wanted = defineRowSet<TenantKey>({
  tenant_id: column(text, ({ tenantId }) => tenantId),
  identity_key: column(text, ({ identityKey }) => identityKey),
});

/**
 * LIMIT lets each look-up only be a probe: a join may be turned round, and read all events to find those
 * of a batch. The version before is computed behind a fence: row level security lets no arithmetic on a
 * row into an index condition, and each look-up would read the whole tenant.
 */
const loadText = `
WITH event AS MATERIALIZED (
  SELECT wanted.tenant_id, wanted.identity_key, event.*
  FROM ${wanted.unnest('wanted')}
  CROSS JOIN LATERAL (
    SELECT version, fingerprint, kind, entity_type, entity_id, outcome,
           version - 1 AS version_before
    FROM events
    WHERE tenant_id = wanted.tenant_id AND identity_key = wanted.identity_key
    LIMIT 1
  ) AS event
)
SELECT event.tenant_id, event.identity_key, event.version, event.fingerprint, event.kind,
       event.entity_type, event.entity_id, event.outcome,
       previous.fingerprint AS previous_fingerprint,
       ${micros('previous.received_at')} AS previous_received_at
FROM event
LEFT JOIN LATERAL (
  SELECT fingerprint, received_at
  FROM events
  WHERE tenant_id = event.tenant_id AND version = event.version_before
  LIMIT 1
) AS previous ON true`;

interface Row {
  readonly tenant_id: string;
  readonly identity_key: string;
  readonly version: number;
  readonly fingerprint: Buffer;
  readonly kind: string;
  readonly entity_type: string;
  readonly entity_id: string;
  readonly outcome: StoredOutcome;
  readonly previous_fingerprint: Buffer | null;
  readonly previous_received_at: number | null;
}

/** Those of the keys that are stored already, each with its tenant. */
export async function loadKnownEvents(
  sender: StatementSender,
  keys: readonly TenantKey[],
): Promise<readonly WithTenant<KnownEvent>[]> {
  const { rows } = await sender.query<Row>({
    name: 'load-known-events',
    text: loadText,
    values: wanted.values(keys),
  });
  return rows.map((row) => ({
    tenantId: row.tenant_id,
    identityKey: row.identity_key,
    version: row.version,
    fingerprint: row.fingerprint,
    kind: row.kind,
    entityType: row.entity_type,
    entityId: row.entity_id,
    outcome: row.outcome,
    previous: toEventReference(row.previous_fingerprint, row.previous_received_at),
  }));
}
