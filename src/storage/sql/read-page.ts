import type { FeedPage, FeedQuery } from '../store.ts';
import type { Sender } from '../trip.ts';
import { toProof } from './load-heads.ts';
import { micros } from './micros.ts';
import { recordColumns, type RecordRow, toStoredRecord } from './record-row.ts';

/**
 * One statement, so one snapshot: the head that it sees is the head of the records that it sees.
 * WITH TIES keeps the records of one event on one page. What is told of the page comes once, in a row
 * before the records, which have no version to stand behind it.
 *
 * LIMIT makes the look-up of the next anchor a probe, whatever the tables held when the plan was made. What
 * comes after the page is looked up once, in version order: inlined it would be asked for every
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
), about AS (
  SELECT json_build_object(
    'head', tenant.head,
    'horizon', tenant.horizon,
    'epoch', tenant.epoch,
    'hasMore', more.has_more,
    'fingerprint', encode(anchor.fingerprint, 'hex'),
    'receivedAt', ${micros('anchor.received_at')},
    'nextFingerprint', encode(next_anchor.fingerprint, 'hex'),
    'nextReceivedAt', ${micros('next_anchor.received_at')},
    'readAt', ${micros('clock_timestamp()')}) AS page
  FROM tenants AS tenant
  CROSS JOIN more
  LEFT JOIN events AS anchor
         ON anchor.tenant_id = tenant.id AND anchor.version = greatest($2, $3)
  LEFT JOIN LATERAL (
    SELECT fingerprint, received_at
    FROM events
    WHERE tenant_id = tenant.id
      AND version =
          greatest(CASE WHEN more.has_more THEN more.last_version ELSE tenant.head END,
                   least($3, tenant.head))
    LIMIT 1
  ) AS next_anchor ON true
  WHERE tenant.id = $1
)
SELECT NULL AS entity_type, NULL AS entity_id, NULL AS version, NULL AS deleted, NULL AS data,
       NULL AS origin_key, NULL AS origin_kind, NULL AS origin_device, NULL AS origin_at,
       NULL AS created_at, NULL AS updated_at, NULL AS data_version, about.page AS about
FROM about
UNION ALL
SELECT ${recordColumns('page')}, NULL
FROM page
ORDER BY version NULLS FIRST, entity_type, entity_id`;

interface About {
  readonly head: number;
  readonly horizon: number;
  readonly epoch: string;
  readonly hasMore: boolean;
  readonly fingerprint: string | null;
  readonly receivedAt: number | null;
  readonly nextFingerprint: string | null;
  readonly nextReceivedAt: number | null;
  readonly readAt: number;
}

type Row = [...RecordRow, about: string | null];

/** Undefined where the tenant has no row yet. */
export async function readPage(sender: Sender, query: FeedQuery): Promise<FeedPage | undefined> {
  const types = query.entityTypes.length > 0 ? query.entityTypes : null;
  const { rows } = await sender.query<Row>({
    name: 'read-page',
    text,
    values: [query.tenantId, query.after, query.bootstrapHead, types, query.limit],
    rowMode: 'array',
  });
  const [first, ...records] = rows;
  const told = first?.[12];
  if (!told) return undefined;
  const about: About = JSON.parse(told);
  return {
    records: records.map(toStoredRecord),
    hasMore: about.hasMore,
    head: about.head,
    horizon: about.horizon,
    epoch: about.epoch,
    anchor: toProof(fromHex(about.fingerprint), about.receivedAt),
    nextAnchor: toProof(fromHex(about.nextFingerprint), about.nextReceivedAt),
    readAt: about.readAt,
  };
}

const fromHex = (hex: string | null) => (hex === null ? null : Buffer.from(hex, 'hex'));
