import { type ElementType, encodeArray } from './binary-array.ts';

/** One column of a set of rows. */
export interface Column<Row> {
  readonly type: string;
  encode(rows: readonly Row[]): Buffer;
}

/** Rows that travel as one array a column, so that a statement takes any number of them. */
export interface RowSet<Row> {
  /** The columns' names, with commas. */
  readonly columns: string;
  /** As a table of a FROM clause, whose parameters are the statement's first. */
  unnest(alias: string): string;
  /** Its parameters. */
  values(rows: readonly Row[]): Buffer[];
}

/** A column whose values are of this type. @param of null and undefined are NULL */
export function column<Row, Value>(
  type: ElementType<Value>,
  of: (row: Row) => Value | null | undefined,
): Column<Row> {
  return { type: type.name, encode: (rows) => encodeArray(type, rows.map(of)) };
}

export function defineRowSet<Row>(columns: { readonly [name: string]: Column<Row> }): RowSet<Row> {
  const names = Object.keys(columns).join(', ');
  const all = Object.values(columns);
  const arrays = all.map(({ type }, index) => `$${index + 1}::${type}[]`).join(', ');
  return {
    columns: names,
    unnest: (alias) => `unnest(${arrays}) AS ${alias} (${names})`,
    values: (rows) => all.map((each) => each.encode(rows)),
  };
}
