import type { FeedPage } from '../../feed/feed-store.ts';
import { jsonBytes, micros } from '../client/expressions.sql.ts';
import { eventReference, referenceList } from '../columns/event-columns.sql.ts';
import {
  noRecordList,
  recordFromRow,
  recordList,
  type RecordRow,
} from '../columns/record-columns.sql.ts';

// What the pages of changes and the pages of a bootstrap have in common. The statements name their records `page`, in
// the order of a column `place`: rows with the same place are shown together.

/** An estimate of the bytes that an answer holds for a record beside its data. */
const bytesBesideData = 400;

/**
 * SQL for a common table expression `cut` with one row: `last_place` is the place at which the page ends, `read_to` the
 * last place that was read, and `count` the number of records up to it.
 *
 * A page ends at `maxBytes`. Where it may be larger, the bytes are summed record by record. Rows of one place are peers
 * in the window, so they are summed together. The sum stops where it exceeds the maximum. Data of records that do not
 * go onto the page is not read.
 *
 * @param maxBytes the parameter
 * @param source the records that may be on the page, as a table with the columns of `page`
 */
export function cutText(maxBytes: string, source: string): string {
  return `
fill AS (
  SELECT max(place) AS read_to, count(*) AS count,
         count(*) * ${bytesBesideData} + sum(pg_column_size(data)) <= ${maxBytes}::bigint
           AND count(pg_column_compression(data)) = 0 AS fits
  FROM ${source}
), cut AS MATERIALIZED (
  SELECT fill.count, fill.read_to,
         CASE WHEN fill.fits THEN fill.read_to ELSE (
           SELECT coalesce(max(page.place) FILTER (WHERE page.place < beyond.place), min(page.place))
           FROM ${source}
           CROSS JOIN (
             SELECT coalesce((
               SELECT place
               FROM (
                 SELECT place, sum(${bytesBesideData} + ${jsonBytes('data')}) OVER (ORDER BY place) AS bytes
                 FROM ${source}
               ) AS summed
               WHERE bytes > ${maxBytes}::bigint
               ORDER BY place
               LIMIT 1
             ), fill.read_to + 1) AS place
           ) AS beyond
         ) END AS last_place
  FROM fill
)`;
}

interface AboutParts {
  /** SQL for the version of the event that the checkpoint of the request names. */
  readonly reference: string;
  /** SQL for the version of the event that the next checkpoint names, from `tenant` and `more`. */
  readonly nextReference: string;
  /** SQL for whether the page is followed by more of what it reads, from `more`. */
  readonly hasMore: string;
  /** SQL for the version after which purged tombstones matter. */
  readonly after: string;
}

/**
 * SQL for a common table expression `about` with one row that describes the page. LIMIT allows no other plan than a
 * probe for each look-up of an event, whatever the tables held when the plan was made.
 */
export function aboutText({ reference, nextReference, hasMore, after }: AboutParts): string {
  const event = (version: string) => `(
    SELECT ${referenceList('events')}
    FROM events
    WHERE tenant_no = $1 AND version = ${version}
    LIMIT 1
  )`;
  return `
about AS (
  SELECT json_build_object(
    'tenantId', tenant.id,
    'head', tenant.head,
    'horizon', tenant.horizon,
    'horizons', CASE WHEN tenant.horizon > ${after} THEN tenant.horizons END,
    'epoch', tenant.epoch,
    'hasMore', coalesce(${hasMore}, false),
    'keyHash', reference.key_hash,
    'receivedAt', reference.received_at,
    'nextKeyHash', next_reference.key_hash,
    'nextReceivedAt', next_reference.received_at,
    'readAt', ${micros('clock_timestamp()')}) AS page
  FROM tenants AS tenant
  CROSS JOIN more
  LEFT JOIN LATERAL ${event(reference)} AS reference ON true
  LEFT JOIN LATERAL ${event(nextReference)} AS next_reference ON true
  WHERE tenant.no = $1
)`;
}

/** The first row describes the page: it has no place, and is sorted before the records. */
export const pageRowsText = `
SELECT ${noRecordList}, about.page AS about
FROM about
UNION ALL
(SELECT ${recordList('page')}, NULL
FROM page
WHERE place <= (SELECT last_place FROM cut)
ORDER BY place, entity_type, entity_id)`;

interface PageDescription {
  readonly tenantId: string;
  readonly head: number;
  readonly horizon: number;
  readonly horizons: Readonly<Record<string, number>> | null;
  readonly epoch: string;
  readonly hasMore: boolean;
  readonly keyHash: string | null;
  readonly receivedAt: number | null;
  readonly nextKeyHash: string | null;
  readonly nextReceivedAt: number | null;
  readonly readAt: number;
}

export type PageRow = [...RecordRow, about: string | null];

/** A page, and whose it is. */
export interface ReadPage extends Omit<FeedPage, 'hasMoreRecords'> {
  readonly tenantId: string;
}

/** @returns undefined where there is no tenant of this number */
export function pageFromRows([first, ...records]: readonly PageRow[]): ReadPage | undefined {
  const description = first?.[12];
  if (!description) return undefined;
  const about: PageDescription = JSON.parse(description);
  return {
    tenantId: about.tenantId,
    records: records.map(recordFromRow),
    hasMore: about.hasMore,
    head: about.head,
    horizon: about.horizon,
    horizons: about.horizons && new Map(Object.entries(about.horizons)),
    epoch: about.epoch,
    reference: eventReference(about.keyHash, about.receivedAt),
    nextReference: eventReference(about.nextKeyHash, about.nextReceivedAt),
    readAt: about.readAt,
  };
}
