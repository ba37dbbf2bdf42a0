import { ArrayWriter, type ElementType } from './binary-array.ts';

/** One column of a set of rows. */
export interface Column<Row> {
  readonly type: string;
  /** Writes one value for each row. @returns where they begin */
  write(rows: readonly Row[], to: ArrayWriter): number;
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
  return { type: type.name, write: (rows, to) => to.array(type, rows, of) };
}

/** What a value takes on average; a header as much as some of them. */
const bytesAValue = 32;
const headerValues = 2;

/** In a select list the arrays are walked side by side; each function of a FROM clause would first fill a store. */
export function defineRowSet<Row>(columns: { readonly [name: string]: Column<Row> }): RowSet<Row> {
  const all = Object.entries(columns);
  const list = all.map(([name, { type }], index) => `unnest($${index + 1}::${type}[]) AS ${name}`);
  return {
    columns: Object.keys(columns).join(', '),
    unnest: (alias) => `(SELECT ${list.join(', ')}) AS ${alias}`,
    values(rows) {
      const writer = new ArrayWriter(all.length * (rows.length + headerValues) * bytesAValue);
      return writer.cut(all.map(([, each]) => each.write(rows, writer)));
    },
  };
}
