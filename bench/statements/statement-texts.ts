import { replacedColumns } from '../../src/postgres/columns/record-columns.sql.ts';
import { type Row, rowSetOf, type TableColumn } from './rows.ts';

// Statements in the forms in which the service does not send them, from lists of columns.

const namesOf = (columns: readonly TableColumn[]) => columns.map(({ name }) => name).join(', ');

export function binaryValues(columns: readonly TableColumn[]) {
  const set = rowSetOf(columns);
  return (rows: readonly Row[]): readonly unknown[] => set.values(rows);
}

/** For pg, which prints each array as text. */
export function textValues(columns: readonly TableColumn[]) {
  return (rows: readonly Row[]): readonly unknown[] =>
    columns.map(({ type: { name }, value }) =>
      rows.map((row) => {
        const held = value(row);
        return name === 'bytea' && typeof held === 'string' ? Buffer.from(held, 'hex') : held;
      }),
    );
}

/** Each array in the select list, as the service has it. */
export function unnested(columns: readonly TableColumn[]): string {
  return rowSetOf(columns).unnest('sent');
}

/** Each array a function of the FROM clause, with PostgreSQL's conversions where text needs them. */
function unnestedInFrom(columns: readonly TableColumn[], asText: boolean): string {
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

/** @param asText whether the arrays are sent as text */
export function insertFromText(
  table: string,
  columns: readonly TableColumn[],
  asText: boolean,
): string {
  return `INSERT INTO ${table} (${namesOf(columns)}) ${unnestedInFrom(columns, asText)}`;
}

const assignments = (source: string) =>
  replacedColumns.map((name) => `${name} = ${source}.${name}`).join(', ');

/** The record is found by its key, whether it is there or not. */
export function upsertText(columns: readonly TableColumn[]): string {
  return `
INSERT INTO records (${namesOf(columns)})
SELECT ${namesOf(columns)}
FROM ${unnested(columns)}
ON CONFLICT (tenant_no, entity_type, entity_id) DO UPDATE SET ${assignments('excluded')}`;
}

/** The record is found by its key. */
export function updateByKeyText(columns: readonly TableColumn[]): string {
  return `
UPDATE records AS record
SET ${assignments('sent')}
FROM ${unnested(columns)}
WHERE record.tenant_no = sent.tenant_no
  AND record.entity_type = sent.entity_type
  AND record.entity_id = sent.entity_id`;
}
