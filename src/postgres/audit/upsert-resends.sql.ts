import type { ResendCount } from '../../audit/audit-store.ts';
import { int4, int8, text, timestamptz } from '../client/binary-array.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { column, type OfTenant } from '../client/row-set.ts';
import { defineTenantRowSet, inBothForms, type TenantForm } from '../client/tenant-rows.sql.ts';

const counted = defineTenantRowSet<OfTenant<ResendCount>>({
  tenant_no: column(int4, ({ tenantNo }) => tenantNo),
  tenant_id: column(text, ({ row }) => row.tenantId),
  version: column(int8, ({ row }) => row.version),
  count: column(int8, ({ row }) => row.count),
  last_at: column(timestamptz, ({ row }) => row.lastAt),
});

/**
 * LIMIT allows no other plan than a probe for each look-up, whatever the tables held when the plan was made. The lock
 * is for the removal of a tenant: the removal waits for an event whose count is being written, and the count of an
 * event that was removed is not written. An event that was received after the resend is not the event that was sent
 * again. A tenant that was removed in between has another number, also where it is there again.
 */
const upsertText = inBothForms(
  (form) => `
INSERT INTO resends AS resend (tenant_no, version, count, last_at)
SELECT counted.tenant_no, counted.version, counted.count, counted.last_at
FROM ${counted.unnest('counted')}
CROSS JOIN LATERAL (
  SELECT
  FROM tenants
  WHERE no = ${counted.tenant(form, 'counted')} AND id = counted.tenant_id
  LIMIT 1
) AS tenant
CROSS JOIN LATERAL (
  SELECT
  FROM events
  WHERE tenant_no = ${counted.tenant(form, 'counted')}
    AND version = counted.version
    AND received_at <= counted.last_at
  LIMIT 1
  FOR KEY SHARE
) AS event
ON CONFLICT (tenant_no, version) DO UPDATE SET
  count = resend.count + excluded.count,
  last_at = greatest(resend.last_at, excluded.last_at)`,
);

/**
 * Adds to the stored counts. Each event may be in `counts` at most once. The rows are sent in the order of their keys,
 * so that two processes that count the same events wait for each other instead of deadlocking.
 */
export async function upsertResends(
  sender: StatementSender,
  counts: readonly OfTenant<ResendCount>[],
  form: TenantForm,
): Promise<void> {
  const values = counted.values(counts.toSorted(byKey));
  await sender.query({ name: 'upsert-resends', text: upsertText[form], values });
}

function byKey(one: OfTenant<ResendCount>, other: OfTenant<ResendCount>): number {
  return one.tenantNo - other.tenantNo || one.row.version - other.row.version;
}
