import type { EventBase, KnownEvent, StoredOutcome } from '../../domain/stored-event.ts';
import type { WithTenant } from '../../domain/decide/tenant-plan.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { int8, text } from '../client/binary-array.ts';
import { column, defineRowSet } from '../client/row-set.ts';

const wanted = defineRowSet<WithTenant<EventBase>>({
  tenant_id: column(text, ({ tenantId }) => tenantId),
  version: column(int8, ({ version }) => version),
});

/** LIMIT lets each look-up only be a probe of the primary key. */
const loadText = `
SELECT event.*
FROM ${wanted.unnest('wanted')}
CROSS JOIN LATERAL (
  SELECT tenant_id, version, identity_key, fingerprint, kind, entity_type, entity_id, outcome
  FROM events
  WHERE tenant_id = wanted.tenant_id AND version = wanted.version
  LIMIT 1
) AS event`;

interface Row {
  readonly tenant_id: string;
  readonly version: number;
  readonly identity_key: string;
  readonly fingerprint: Buffer;
  readonly kind: string;
  readonly entity_type: string;
  readonly entity_id: string;
  readonly outcome: StoredOutcome;
}

/** The events at the versions on which edits say they were made. Those that are not stored are left out. */
export async function loadBaseEvents(
  sender: StatementSender,
  bases: readonly WithTenant<EventBase>[],
): Promise<readonly WithTenant<KnownEvent>[]> {
  const { rows } = await sender.query<Row>({
    name: 'load-base-events',
    text: loadText,
    values: wanted.values(bases),
  });
  return rows.map((row) => ({
    tenantId: row.tenant_id,
    version: row.version,
    identityKey: row.identity_key,
    fingerprint: row.fingerprint,
    kind: row.kind,
    entityType: row.entity_type,
    entityId: row.entity_id,
    outcome: row.outcome,
    previous: undefined,
  }));
}
