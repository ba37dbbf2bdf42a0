import { text } from '../../src/postgres/client/binary-array.ts';
import { insertEventsText, upsertRecordsText } from '../../src/postgres/ingest/write.sql.ts';
import {
  benchEventColumns,
  benchRecordColumns,
  type Row,
  rowSetOf,
  type TableColumn,
} from './rows.ts';

/** One way to write the rows of a group. */
export interface Variant {
  readonly name: string;
  readonly text: string;
  values(rows: readonly Row[]): readonly unknown[];
  /** Changes to the schema, before the first row. */
  readonly schema?: readonly string[];
}

/** The same table: its first variant is what the service does. */
export interface Table {
  readonly name: string;
  readonly variants: readonly [Variant, ...Variant[]];
}

const namesOf = (columns: readonly TableColumn[]) => columns.map(({ name }) => name).join(', ');
const valuesAsBinary = (columns: readonly TableColumn[]) => {
  const set = rowSetOf(columns);
  return (rows: readonly Row[]) => set.values(rows);
};
const valuesAsText = (columns: readonly TableColumn[]) => (rows: readonly Row[]) =>
  columns.map(({ value }) => rows.map(value));

/** Each array a function of the FROM clause, with PostgreSQL's conversions where text needs them. */
function fromClause(columns: readonly TableColumn[], asText: boolean): string {
  const sent = { timestamptz: 'int8', json: 'text' } as const;
  const typeOf = ({ type: { name } }: TableColumn) =>
    asText && (name === 'timestamptz' || name === 'json') ? sent[name] : name;
  const arrays = columns.map((each, index) => `$${index + 1}::${typeOf(each)}[]`).join(', ');
  const selected = columns.map(({ name, type }) => {
    if (asText && type.name === 'timestamptz')
      return `timestamptz 'epoch' + ${name} * interval '1 microsecond'`;
    return asText && type.name === 'json' ? `${name}::json` : name;
  });
  return `SELECT ${selected.join(', ')} FROM unnest(${arrays}) AS sent (${namesOf(columns)})`;
}

const insertInto = (table: string, columns: readonly TableColumn[], select: string) =>
  `INSERT INTO ${table} (${namesOf(columns)}) ${select}`;
const onConflict = upsertRecordsText.slice(upsertRecordsText.indexOf('ON CONFLICT'));

const ofEvents = { text: insertEventsText, values: valuesAsBinary(benchEventColumns) };
const ofRecords = { text: upsertRecordsText, values: valuesAsBinary(benchRecordColumns) };
const asJsonb = insertEventsText.replace(
  /unnest\((\$\d+)::json\[\]\)/,
  'unnest($1::text[])::jsonb',
);
const payloadAsText: readonly TableColumn[] = benchEventColumns.map((each) =>
  each.type.name === 'json' ? { ...each, type: text } : each,
);

export const tables: readonly Table[] = [
  {
    name: 'a row of the log',
    variants: [
      { name: 'as it is', ...ofEvents },
      {
        name: 'arrays as text, in the FROM clause',
        text: insertInto('events', benchEventColumns, fromClause(benchEventColumns, true)),
        values: valuesAsText(benchEventColumns),
      },
      {
        name: 'arrays in the FROM clause',
        ...ofEvents,
        text: insertInto('events', benchEventColumns, fromClause(benchEventColumns, false)),
      },
      {
        name: 'payload as jsonb',
        text: asJsonb,
        values: valuesAsBinary(payloadAsText),
        schema: ['ALTER TABLE events ALTER payload TYPE jsonb'],
      },
      {
        name: 'payload as text',
        text: insertEventsText.replace('::json[]', '::text[]'),
        values: valuesAsBinary(payloadAsText),
        schema: ['ALTER TABLE events ALTER payload TYPE text'],
      },
      {
        name: 'identity index as a hash',
        ...ofEvents,
        schema: [
          'DROP INDEX events_tenant_id_identity_key_key',
          'CREATE INDEX ON events USING hash (identity_key)',
        ],
      },
      {
        name: 'no index for the history',
        ...ofEvents,
        schema: ['DROP INDEX events_tenant_id_entity_type_entity_id_version_idx'],
      },
      {
        name: 'no row level security',
        ...ofEvents,
        schema: ['ALTER TABLE events DISABLE ROW LEVEL SECURITY'],
      },
    ],
  },
  {
    name: 'a record',
    variants: [
      { name: 'as it is', ...ofRecords },
      {
        name: 'arrays as text, in the FROM clause',
        text: `${insertInto('records', benchRecordColumns, fromClause(benchRecordColumns, true))} ${onConflict}`,
        values: valuesAsText(benchRecordColumns),
      },
      {
        name: 'arrays in the FROM clause',
        ...ofRecords,
        text: `${insertInto('records', benchRecordColumns, fromClause(benchRecordColumns, false))} ${onConflict}`,
      },
      {
        name: 'no index for the feed, so that updates stay HOT',
        ...ofRecords,
        schema: ['DROP INDEX records_tenant_id_version_idx'],
      },
      {
        name: 'no index for the feed, fillfactor 80',
        ...ofRecords,
        schema: [
          'DROP INDEX records_tenant_id_version_idx',
          'ALTER TABLE records SET (fillfactor = 80)',
        ],
      },
      {
        name: 'fillfactor 80',
        ...ofRecords,
        schema: ['ALTER TABLE records SET (fillfactor = 80)'],
      },
      {
        name: 'no row level security',
        ...ofRecords,
        schema: ['ALTER TABLE records DISABLE ROW LEVEL SECURITY'],
      },
    ],
  },
];
