import type { FeedQuery } from '../../feed/feed-store.ts';
import type { StatementSender } from '../client/pipeline.ts';
import {
  aboutText,
  cutText,
  pageFromRows,
  pageRowsText,
  type PageRow,
  type ReadPage,
} from './page-parts.sql.ts';

const matching = `
    WHERE tenant_no = $1
      AND version > $2
      AND ($3::text[] IS NULL OR entity_type = ANY($3::text[]))`;

const candidates = `
  SELECT *, version AS place
  FROM records ${matching}
  ORDER BY version
  FETCH FIRST ($4::bigint) ROWS WITH TIES`;

const laterRecords = `
    SELECT true
    FROM records ${matching}
      AND version > cut.last_place
    ORDER BY version
    LIMIT 1`;

/**
 * The end of a bootstrap of types that were added to a filter: of the kept types ($7) what changed after the version of
 * the checkpoint, of the others what changed after the head of the bootstrap ($8). Each part has its own index
 * condition, so that records outside of both are not read.
 */
const matchingNewTypes = `${matching}
      AND version > $8::bigint
      AND entity_type <> ALL($7::text[])`;
const matchingKeptTypes = `
    WHERE tenant_no = $1
      AND version > $2
      AND entity_type = ANY($7::text[])`;

const candidatesOfBoth = `
  SELECT *, version AS place
  FROM (
    (SELECT * FROM records ${matchingNewTypes}
     ORDER BY version
     FETCH FIRST ($4::bigint) ROWS WITH TIES)
    UNION ALL
    (SELECT * FROM records ${matchingKeptTypes}
     ORDER BY version
     FETCH FIRST ($4::bigint) ROWS WITH TIES)
  ) AS either
  ORDER BY version
  FETCH FIRST ($4::bigint) ROWS WITH TIES`;

const laterRecordsOfBoth = `
    SELECT true
    FROM (
      (SELECT FROM records ${matchingNewTypes}
         AND version > cut.last_place
       ORDER BY version
       LIMIT 1)
      UNION ALL
      (SELECT FROM records ${matchingKeptTypes}
         AND version > cut.last_place
       ORDER BY version
       LIMIT 1)
    ) AS either
    LIMIT 1`;

/**
 * One statement has one snapshot, so the head belongs to the records. WITH TIES keeps the records of one event on one
 * page. The records after the page are looked up once, in version order. Inlined, the look-up would run for every row.
 * As an EXISTS it may read the records of other tenants.
 *
 * @param bootstrapHead SQL for the version that the next checkpoint names at least
 */
const changesText = (page: string, later: string, bootstrapHead: string) => `
WITH page AS MATERIALIZED (${page}
),${cutText('$5', 'page')}, more AS MATERIALIZED (
  SELECT cut.last_place,
         cut.last_place < cut.read_to OR cut.count >= $4::bigint AND coalesce((${later}
         ), false) AS has_more
  FROM cut
),${aboutText({
  reference: '$6::bigint',
  nextReference: `greatest(CASE WHEN more.has_more THEN more.last_place ELSE tenant.head END,
                   ${bootstrapHead})`,
  hasMore: 'more.has_more',
  after: '$2',
})}${pageRowsText}`;

export const readChangesText = changesText(candidates, laterRecords, '0');
const readBothText = changesText(
  candidatesOfBoth,
  laterRecordsOfBoth,
  'least($8::bigint, tenant.head)',
);

/** Reads a page of changes in version order. @returns undefined where there is no tenant of this number */
export async function readChanges(
  sender: StatementSender,
  tenantNo: number,
  { entityTypes, after, bootstrap, limit, maxBytes, reference }: FeedQuery,
): Promise<ReadPage | undefined> {
  const types = entityTypes.length > 0 ? entityTypes : null;
  const values = [tenantNo, after, types, limit, maxBytes, reference];
  const { rows } = await sender.query<PageRow>({
    ...(bootstrap
      ? {
          ...{ name: 'read-changes-of-both', text: readBothText },
          values: [...values, bootstrap.kept, bootstrap.head],
        }
      : { name: 'read-changes', text: readChangesText, values }),
    rowMode: 'array',
  });
  return pageFromRows(rows);
}
