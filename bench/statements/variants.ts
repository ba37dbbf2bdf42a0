import { text } from '../../src/postgres/client/binary-array.ts';
import {
  insertEvents,
  insertEventsText,
  insertRecords,
  updateRecords,
} from '../../src/postgres/ingest/write.sql.ts';
import { benchEventColumns, benchRecordColumns, type Row, type TableColumn } from './rows.ts';
import {
  binaryValues,
  insertFromText,
  textValues,
  updateByKeyText,
  upsertText,
} from './statement-texts.ts';

/** A statement without its name. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[];
}

/** One way to write the rows of a group. */
export interface Variant {
  readonly name: string;
  readonly write: (rows: readonly Row[]) => Statement;
  /** Changes to the schema, before the first row. */
  readonly schema?: readonly string[];
}

/** The same rows in several ways: the first variant is what the service does. */
export interface Table {
  readonly name: string;
  /** Whether the records are of new notes. */
  readonly isNew: boolean;
  /** Whether each transaction first loads the records, as the service's does. */
  readonly isLoaded: boolean;
  readonly variants: readonly [Variant, ...Variant[]];
}

const statement =
  (sql: string, values: (rows: readonly Row[]) => readonly unknown[]) =>
  (rows: readonly Row[]): Statement => ({ text: sql, values: values(rows) });

const ofEvents = (rows: readonly Row[]) =>
  insertEvents(
    rows.map(({ event }) => event),
    'many',
  );
const ofNewRecords = (rows: readonly Row[]) =>
  insertRecords(
    rows.map(({ record }) => record),
    'many',
  );
const ofReplacedRecords = (rows: readonly Row[]) =>
  updateRecords(
    rows.map(({ record, place }) => ({ ...record, place })),
    'many',
  );

/** A view shows the payload, and would not let its type change. */
const dropView = 'DROP VIEW event_log';
const asJsonb = insertEventsText.many.replace(
  /unnest\((\$\d+)::json\[\]\)/,
  'unnest($1::text[])::jsonb',
);
const payloadAsText: readonly TableColumn[] = benchEventColumns.map((each) =>
  each.type.name === 'json' ? { ...each, type: text } : each,
);
const withoutFeedIndex = 'DROP INDEX records_tenant_no_version_idx';

export const tables: readonly Table[] = [
  {
    name: 'a row of the log',
    isNew: false,
    isLoaded: false,
    variants: [
      { name: 'as it is', write: ofEvents },
      {
        name: 'arrays as text, in the FROM clause',
        write: statement(
          insertFromText('events', benchEventColumns, true),
          textValues(benchEventColumns),
        ),
      },
      {
        name: 'arrays in the FROM clause',
        write: statement(
          insertFromText('events', benchEventColumns, false),
          binaryValues(benchEventColumns),
        ),
      },
      {
        name: 'payload as jsonb',
        write: statement(asJsonb, binaryValues(payloadAsText)),
        schema: [dropView, 'ALTER TABLE events ALTER payload TYPE jsonb'],
      },
      {
        name: 'payload as text',
        write: statement(
          insertEventsText.many.replace('::json[]', '::text[]'),
          binaryValues(payloadAsText),
        ),
        schema: [dropView, 'ALTER TABLE events ALTER payload TYPE text'],
      },
      {
        name: 'identity index of the keys themselves',
        write: ofEvents,
        schema: [
          'DROP INDEX events_tenant_no_key_hash_key',
          'CREATE UNIQUE INDEX ON events (tenant_no, identity_key)',
        ],
      },
      {
        name: 'identity index as a hash',
        write: ofEvents,
        schema: [
          'DROP INDEX events_tenant_no_key_hash_key',
          'CREATE INDEX ON events USING hash (key_hash)',
        ],
      },
      {
        name: 'an index for the history',
        write: ofEvents,
        schema: ['CREATE INDEX ON events (tenant_no, entity_type, entity_id, version)'],
      },
      {
        name: 'no row level security',
        write: ofEvents,
        schema: ['ALTER TABLE events DISABLE ROW LEVEL SECURITY'],
      },
    ],
  },
  {
    name: 'a new record',
    isNew: true,
    isLoaded: false,
    variants: [
      { name: 'as it is', write: ofNewRecords },
      {
        name: 'arrays as text, in the FROM clause',
        write: statement(
          insertFromText('records', benchRecordColumns, true),
          textValues(benchRecordColumns),
        ),
      },
      {
        name: 'arrays in the FROM clause',
        write: statement(
          insertFromText('records', benchRecordColumns, false),
          binaryValues(benchRecordColumns),
        ),
      },
      {
        name: 'INSERT … ON CONFLICT',
        write: statement(upsertText(benchRecordColumns), binaryValues(benchRecordColumns)),
      },
      { name: 'no index for the feed', write: ofNewRecords, schema: [withoutFeedIndex] },
      {
        name: 'no row level security',
        write: ofNewRecords,
        schema: ['ALTER TABLE records DISABLE ROW LEVEL SECURITY'],
      },
    ],
  },
  {
    name: 'a record that is loaded and replaced',
    isNew: false,
    isLoaded: true,
    variants: [
      { name: 'as it is', write: ofReplacedRecords },
      {
        name: 'found by its key',
        write: statement(updateByKeyText(benchRecordColumns), binaryValues(benchRecordColumns)),
      },
      {
        name: 'INSERT … ON CONFLICT',
        write: statement(upsertText(benchRecordColumns), binaryValues(benchRecordColumns)),
      },
      {
        name: 'no index for the feed, so that updates stay HOT',
        write: ofReplacedRecords,
        schema: [withoutFeedIndex],
      },
      {
        name: 'pages filled to the end',
        write: ofReplacedRecords,
        schema: ['ALTER TABLE records SET (fillfactor = 100)', 'VACUUM FULL records'],
      },
      {
        name: 'no row level security',
        write: ofReplacedRecords,
        schema: ['ALTER TABLE records DISABLE ROW LEVEL SECURITY'],
      },
    ],
  },
];
