import type { FeedPage, FeedQuery } from '../../feed/feed-store.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { jsonBytes } from '../client/json-bytes.sql.ts';
import { toEventReference } from '../ingest/load-heads.sql.ts';
import { micros } from '../client/micros.sql.ts';
import { recordColumns, type RecordRow, recordFromRow } from '../record-row.sql.ts';

/** What an answer holds of a record beside its data, about. */
const bytesBesideData = 400;

const wanted = `
    WHERE tenant_id = $1
      AND version > $2
      AND (NOT deleted OR version > $3)
      AND ($4::text[] IS NULL OR entity_type = ANY($4::text[]))`;

const candidates = `
  SELECT *
  FROM records ${wanted}
  ORDER BY version
  FETCH FIRST ($5::bigint) ROWS WITH TIES`;

const more = `
    SELECT true
    FROM records ${wanted}
      AND version > cut.last_version
    ORDER BY version
    LIMIT 1`;

/**
 * Of types that the client has already nothing up to the floor, and their tombstones; of the others what
 * a bootstrap sends. Each by its own index condition: what is skipped is not read.
 */
const ofNewTypes = `${wanted}
      AND entity_type <> ALL($8::text[])`;
const ofKeptTypes = `
    WHERE tenant_id = $1
      AND version > greatest($2, $9::bigint)
      AND entity_type = ANY($8::text[])`;

const grownCandidates = `
  SELECT *
  FROM (
    (SELECT * FROM records ${ofNewTypes}
     ORDER BY version
     FETCH FIRST ($5::bigint) ROWS WITH TIES)
    UNION ALL
    (SELECT * FROM records ${ofKeptTypes}
     ORDER BY version
     FETCH FIRST ($5::bigint) ROWS WITH TIES)
  ) AS either
  ORDER BY version
  FETCH FIRST ($5::bigint) ROWS WITH TIES`;

const moreOfGrown = `
    SELECT true
    FROM (
      (SELECT FROM records ${ofNewTypes}
         AND version > cut.last_version
       ORDER BY version
       LIMIT 1)
      UNION ALL
      (SELECT FROM records ${ofKeptTypes}
         AND version > cut.last_version
       ORDER BY version
       LIMIT 1)
    ) AS either
    LIMIT 1`;

/**
 * One statement, so one snapshot: the head that it sees is the head of the records that it sees.
 * WITH TIES keeps the records of one event on one page. What is told of the page comes once, in a row
 * before the records, which have no version to stand behind it.
 *
 * A page ends at $6 bytes. Where there may be more, they are added up record by record, those of one event
 * together, as the window's rows of one version are peers, and the sum stops where it passes the bound. Data
 * that does not go onto the page is not read.
 *
 * LIMIT makes each look-up of an event a probe, whatever the tables held when the plan was made. What
 * comes after the page is looked up once, in version order: inlined it would be asked for every
 * row, and as an EXISTS it may be answered by reading other tenants' records.
 */
const pageText = (page: string, next: string) => `
WITH page AS MATERIALIZED (${page}
), fill AS (
  SELECT max(version) AS read_to, count(*) >= $5::bigint AS is_full,
         count(*) * ${bytesBesideData} + sum(pg_column_size(data)) <= $6::bigint
           AND count(pg_column_compression(data)) = 0 AS fits
  FROM page
), cut AS MATERIALIZED (
  SELECT fill.is_full, fill.read_to,
         CASE WHEN fill.fits THEN fill.read_to ELSE (
           SELECT coalesce(max(page.version) FILTER (WHERE page.version < beyond.version),
                           min(page.version))
           FROM page
           CROSS JOIN (
             SELECT coalesce((
               SELECT version
               FROM (
                 SELECT version, sum(${bytesBesideData} + ${jsonBytes('data')}) OVER (ORDER BY version) AS bytes
                 FROM page
               ) AS summed
               WHERE bytes > $6::bigint
               ORDER BY version
               LIMIT 1
             ), fill.read_to + 1) AS version
           ) AS beyond
         ) END AS last_version
  FROM fill
), more AS MATERIALIZED (
  SELECT cut.last_version,
         cut.last_version < cut.read_to OR cut.is_full AND coalesce((${next}
         ), false) AS has_more
  FROM cut
), about AS (
  SELECT json_build_object(
    'head', tenant.head,
    'horizon', tenant.horizon,
    'horizons', CASE WHEN tenant.horizon > $2 THEN tenant.horizons END,
    'epoch', tenant.epoch,
    'hasMore', coalesce(more.has_more, false),
    'fingerprint', encode(reference.fingerprint, 'hex'),
    'receivedAt', ${micros('reference.received_at')},
    'nextFingerprint', encode(next_reference.fingerprint, 'hex'),
    'nextReceivedAt', ${micros('next_reference.received_at')},
    'readAt', ${micros('clock_timestamp()')}) AS page
  FROM tenants AS tenant
  CROSS JOIN more
  LEFT JOIN LATERAL (
    SELECT fingerprint, received_at
    FROM events
    WHERE tenant_id = $1 AND version = $7::bigint
    LIMIT 1
  ) AS reference ON true
  LEFT JOIN LATERAL (
    SELECT fingerprint, received_at
    FROM events
    WHERE tenant_id = $1
      AND version =
          greatest(CASE WHEN more.has_more THEN more.last_version ELSE tenant.head END,
                   least($3, tenant.head))
    LIMIT 1
  ) AS next_reference ON true
  WHERE tenant.id = $1
)
SELECT NULL AS entity_type, NULL AS entity_id, NULL AS version, NULL AS deleted, NULL AS data,
       NULL AS origin_key, NULL AS origin_kind, NULL AS origin_device, NULL AS origin_at,
       NULL AS created_at, NULL AS updated_at, NULL AS data_version, about.page AS about
FROM about
UNION ALL
SELECT ${recordColumns('page')}, NULL
FROM page
WHERE version <= (SELECT last_version FROM cut)
ORDER BY version NULLS FIRST, entity_type, entity_id`;

export const text = pageText(candidates, more);
const grownText = pageText(grownCandidates, moreOfGrown);

interface About {
  readonly head: number;
  readonly horizon: number;
  readonly horizons: Readonly<Record<string, number>> | null;
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
export async function readPage(
  sender: StatementSender,
  query: FeedQuery,
): Promise<FeedPage | undefined> {
  const { tenantId, after, bootstrapHead, kept, floor, limit, maxBytes, reference } = query;
  const types = query.entityTypes.length > 0 ? query.entityTypes : null;
  const values = [tenantId, after, bootstrapHead, types, limit, maxBytes, reference];
  const { rows } = await sender.query<Row>({
    ...(kept.length === 0
      ? { name: 'read-page', text, values }
      : { name: 'read-grown-page', text: grownText, values: [...values, kept, floor] }),
    rowMode: 'array',
  });
  const [first, ...records] = rows;
  const told = first?.[12];
  if (!told) return undefined;
  const about: About = JSON.parse(told);
  return {
    records: records.map(recordFromRow),
    hasMore: about.hasMore,
    head: about.head,
    horizon: about.horizon,
    horizons: about.horizons && new Map(Object.entries(about.horizons)),
    epoch: about.epoch,
    reference: toEventReference(fromHex(about.fingerprint), about.receivedAt),
    nextReference: toEventReference(fromHex(about.nextFingerprint), about.nextReceivedAt),
    readAt: about.readAt,
  };
}

const fromHex = (hex: string | null) => (hex === null ? null : Buffer.from(hex, 'hex'));
