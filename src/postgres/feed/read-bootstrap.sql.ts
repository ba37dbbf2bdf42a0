import type { BootstrapCursor, FeedQuery } from '../../feed/feed-store.ts';
import type { StatementSender } from '../client/pipeline.ts';
import {
  aboutText,
  cutText,
  pageFromRows,
  pageRowsText,
  type PageRow,
  type ReadPage,
} from './page-parts.sql.ts';

/**
 * The live records of a tenant. A record that has changed since the bootstrap started ($7) is left out: it comes with the
 * changes. With IS TRUE the comparison is no condition for the index by version, which would read all records of the
 * tenant for each page.
 */
const liveRecords = `
    FROM records
    WHERE tenant_no = $1
      AND (version <= $7::bigint) IS TRUE
      AND NOT deleted`;

/** The records after the last one ($2, $3) in the order of the primary key, and one more than the page takes ($4). */
const candidates = `
  SELECT *, row_number() OVER () AS place
  FROM (
    SELECT * ${liveRecords}
      AND (entity_type, entity_id) > ($2::text COLLATE "C", $3::text COLLATE "C")
    ORDER BY entity_type, entity_id
    LIMIT $4::bigint + 1
  ) AS ordered`;

const nextType = (condition: string) => `(
    SELECT entity_type
    FROM records
    WHERE tenant_no = $1 AND entity_type ${condition}
    ORDER BY entity_type
    LIMIT 1
  )`;

/** The entity types of a tenant, one probe for each: the records of a type that is not wanted are not read. */
const typesOfTenant = `
type (name) AS (
  SELECT ${nextType('>= $2::text COLLATE "C"')}
  UNION ALL
  SELECT ${nextType('> type.name')} FROM type WHERE type.name IS NOT NULL
)`;

/** The same records, of the types of the filter ($8; NULL for all) without those that the client has ($9). */
const candidatesOfTypes = `
  SELECT *, row_number() OVER () AS place
  FROM (
    SELECT record.*
    FROM (
      SELECT name
      FROM type
      WHERE ($8::text[] IS NULL OR name = ANY($8::text[])) AND name <> ALL($9::text[])
      ORDER BY name
    ) AS wanted
    CROSS JOIN LATERAL (
      SELECT * ${liveRecords}
        AND entity_type = wanted.name
        AND entity_id > CASE WHEN wanted.name = $2::text THEN $3::text ELSE '' END COLLATE "C"
      ORDER BY entity_id
      LIMIT $4::bigint + 1
    ) AS record
    ORDER BY wanted.name, record.entity_id
    LIMIT $4::bigint + 1
  ) AS ordered`;

/** @param before common table expressions that the records need */
const bootstrapText = (page: string, before = '') => `
WITH RECURSIVE ${before}page AS MATERIALIZED (${page}
),${cutText('$5', '(SELECT * FROM page WHERE place <= $4::bigint) AS page')}, more AS MATERIALIZED (
  SELECT (SELECT max(place) FROM page) > cut.last_place AS has_more
  FROM cut
),${aboutText({
  reference: '$6::bigint',
  nextReference: 'least($7::bigint, tenant.head)',
  hasMore: 'more.has_more',
  after: '0',
})}${pageRowsText}`;

export const readBootstrapText = bootstrapText(candidates);
const readTypesText = bootstrapText(candidatesOfTypes, `${typesOfTenant}, `);

/**
 * Reads a page of a bootstrap. Its `hasMore` says whether more records follow in the order of the key.
 *
 * @returns undefined where there is no tenant of this number
 */
export async function readBootstrap(
  sender: StatementSender,
  tenantNo: number,
  { entityTypes, limit, maxBytes, reference }: FeedQuery,
  { head, kept, last }: BootstrapCursor & { readonly last: object },
): Promise<ReadPage | undefined> {
  const values = [tenantNo, last.entityType, last.entityId, limit, maxBytes, reference, head];
  const types = entityTypes.length > 0 ? entityTypes : null;
  const hasTypes = types !== null || kept.length > 0;
  const { rows } = await sender.query<PageRow>({
    ...(hasTypes
      ? {
          name: 'read-bootstrap-of-types',
          text: readTypesText,
          values: [...values, types, kept],
        }
      : { name: 'read-bootstrap', text: readBootstrapText, values }),
    rowMode: 'array',
  });
  return pageFromRows(rows);
}
