import type { ClientBase } from 'pg';
import type { FeedPage, FeedQuery } from '../store.ts';
import { toProof } from './load-heads.ts';
import { micros } from './micros.ts';
import { recordColumns, type RecordRow, toStoredRecord } from './record-row.ts';

/**
 * One statement, so one snapshot: the head that it sees is the head of the records that it sees.
 * WITH TIES keeps the records of one event on one page. The tenant's row comes first and the page
 * is joined to it, so that an empty page still tells head, horizon and anchors.
 *
 * What comes after the page is looked up once, in version order: inlined it would be asked for every
 * row, and as an EXISTS it may be answered by reading other tenants' records.
 */
export const text = `
WITH page AS MATERIALIZED (
  SELECT *
  FROM records
  WHERE tenant_id = $1
    AND version > $2
    AND (NOT deleted OR version > $3)
    AND ($4::text[] IS NULL OR entity_type = ANY($4::text[]))
  ORDER BY version
  FETCH FIRST ($5::bigint) ROWS WITH TIES
), fill AS (
  SELECT max(version) AS last_version, count(*) >= $5::bigint AS is_full
  FROM page
), more AS MATERIALIZED (
  SELECT fill.last_version, fill.is_full AND coalesce((
    SELECT true
    FROM records
    WHERE tenant_id = $1
      AND version > fill.last_version
      AND (NOT deleted OR version > $3)
      AND ($4::text[] IS NULL OR entity_type = ANY($4::text[]))
    ORDER BY version
    LIMIT 1
  ), false) AS has_more
  FROM fill
)
SELECT tenant.head, tenant.horizon, tenant.epoch, more.has_more,
       anchor.fingerprint AS anchor_fingerprint,
       ${micros('anchor.received_at')} AS anchor_received_at,
       next_anchor.fingerprint AS next_fingerprint,
       ${micros('next_anchor.received_at')} AS next_received_at,
       ${micros('clock_timestamp()')} AS read_at,
       ${recordColumns('page')}
FROM tenants AS tenant
CROSS JOIN more
LEFT JOIN events AS anchor
       ON anchor.tenant_id = tenant.id AND anchor.version = greatest($2, $3)
LEFT JOIN events AS next_anchor
       ON next_anchor.tenant_id = tenant.id
      AND next_anchor.version =
          greatest(CASE WHEN more.has_more THEN more.last_version ELSE tenant.head END,
                   least($3, tenant.head))
LEFT JOIN page ON true
WHERE tenant.id = $1
ORDER BY page.version, page.entity_type, page.entity_id`;

interface Row extends RecordRow {
  readonly head: number;
  readonly horizon: number;
  readonly epoch: string;
  readonly has_more: boolean;
  readonly anchor_fingerprint: Buffer | null;
  readonly anchor_received_at: number | null;
  readonly next_fingerprint: Buffer | null;
  readonly next_received_at: number | null;
  readonly read_at: number;
}

/** Undefined where the tenant has no row yet. */
export async function readPage(
  client: ClientBase,
  query: FeedQuery,
): Promise<FeedPage | undefined> {
  const types = query.entityTypes.length > 0 ? query.entityTypes : null;
  const { rows } = await client.query<Row>({
    name: 'read-page',
    text,
    values: [query.tenantId, query.after, query.bootstrapHead, types, query.limit],
  });
  const first = rows[0];
  if (!first) return undefined;
  return {
    // A page without records still has one row, whose record columns are null.
    records: rows.filter((row) => row.version !== null).map(toStoredRecord),
    hasMore: first.has_more,
    head: first.head,
    horizon: first.horizon,
    epoch: first.epoch,
    anchor: toProof(first.anchor_fingerprint, first.anchor_received_at),
    nextAnchor: toProof(first.next_fingerprint, first.next_received_at),
    readAt: first.read_at,
  };
}
