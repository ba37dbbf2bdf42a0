import type { FeedPage, FeedQuery } from '../../feed/feed-store.ts';
import { jsonBytes, micros } from '../client/expressions.sql.ts';
import type { StatementSender } from '../client/pipeline.ts';
import { eventReference } from '../columns/event-columns.sql.ts';
import {
  noRecordList,
  recordFromRow,
  recordList,
  type RecordRow,
} from '../columns/record-columns.sql.ts';

/** An estimate of the bytes that an answer holds for a record beside its data. */
const bytesBesideData = 400;

const matching = `
    WHERE tenant_id = $1
      AND version > $2
      AND (NOT deleted OR version > $3)
      AND ($4::text[] IS NULL OR entity_type = ANY($4::text[]))`;

const candidates = `
  SELECT *
  FROM records ${matching}
  ORDER BY version
  FETCH FIRST ($5::bigint) ROWS WITH TIES`;

const laterRecords = `
    SELECT true
    FROM records ${matching}
      AND version > cut.last_version
    ORDER BY version
    LIMIT 1`;

/**
 * A client may ask for more entity types than its checkpoint has ($8: the types of the checkpoint). Of these types it
 * gets the records after the floor ($9), tombstones too; of the new types it gets what a bootstrap sends. Each part
 * has its own index condition, so that records outside of both are not read.
 */
const matchingNewTypes = `${matching}
      AND entity_type <> ALL($8::text[])`;
const matchingKeptTypes = `
    WHERE tenant_id = $1
      AND version > greatest($2, $9::bigint)
      AND entity_type = ANY($8::text[])`;

const candidatesOfBoth = `
  SELECT *
  FROM (
    (SELECT * FROM records ${matchingNewTypes}
     ORDER BY version
     FETCH FIRST ($5::bigint) ROWS WITH TIES)
    UNION ALL
    (SELECT * FROM records ${matchingKeptTypes}
     ORDER BY version
     FETCH FIRST ($5::bigint) ROWS WITH TIES)
  ) AS either
  ORDER BY version
  FETCH FIRST ($5::bigint) ROWS WITH TIES`;

const laterRecordsOfBoth = `
    SELECT true
    FROM (
      (SELECT FROM records ${matchingNewTypes}
         AND version > cut.last_version
       ORDER BY version
       LIMIT 1)
      UNION ALL
      (SELECT FROM records ${matchingKeptTypes}
         AND version > cut.last_version
       ORDER BY version
       LIMIT 1)
    ) AS either
    LIMIT 1`;

/**
 * One statement has one snapshot, so the head belongs to the records. WITH TIES keeps the records of one event on one
 * page. The first row describes the page: it has no version, and is sorted before the records.
 *
 * A page ends at $6 bytes. Where it may be larger, the bytes are summed record by record. Rows of one version are
 * peers in the window, so the records of one event are summed together. The sum stops where it exceeds the maximum.
 * Data of records that do not go onto the page is not read.
 *
 * LIMIT allows no other plan than a probe for each look-up of an event, whatever the tables held when the plan was
 * made. The records after the page are looked up once, in version order. Inlined, the look-up would run for every
 * row. As an EXISTS it may read the records of other tenants.
 */
const pageText = (page: string, later: string) => `
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
         cut.last_version < cut.read_to OR cut.is_full AND coalesce((${later}
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
SELECT ${noRecordList}, about.page AS about
FROM about
UNION ALL
SELECT ${recordList('page')}, NULL
FROM page
WHERE version <= (SELECT last_version FROM cut)
ORDER BY version NULLS FIRST, entity_type, entity_id`;

export const readPageText = pageText(candidates, laterRecords);
const readBothText = pageText(candidatesOfBoth, laterRecordsOfBoth);

interface PageDescription {
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

/** @returns undefined where the tenant has no row yet */
export async function readPage(
  sender: StatementSender,
  query: FeedQuery,
): Promise<FeedPage | undefined> {
  const { tenantId, after, bootstrapHead, kept, floor, limit, maxBytes, reference } = query;
  const types = query.entityTypes.length > 0 ? query.entityTypes : null;
  const values = [tenantId, after, bootstrapHead, types, limit, maxBytes, reference];
  const { rows } = await sender.query<Row>({
    ...(kept.length === 0
      ? { name: 'read-page', text: readPageText, values }
      : { name: 'read-page-of-both', text: readBothText, values: [...values, kept, floor] }),
    rowMode: 'array',
  });
  const [first, ...records] = rows;
  const description = first?.[12];
  if (!description) return undefined;
  const about: PageDescription = JSON.parse(description);
  return {
    records: records.map(recordFromRow),
    hasMore: about.hasMore,
    head: about.head,
    horizon: about.horizon,
    horizons: about.horizons && new Map(Object.entries(about.horizons)),
    epoch: about.epoch,
    reference: eventReference(fromHex(about.fingerprint), about.receivedAt),
    nextReference: eventReference(fromHex(about.nextFingerprint), about.nextReceivedAt),
    readAt: about.readAt,
  };
}

const fromHex = (hex: string | null) => (hex === null ? null : Buffer.from(hex, 'hex'));
