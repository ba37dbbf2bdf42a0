import { ArrayWriter, type ElementType } from './binary-array.ts';

/** One column of a set of rows: its type, and what it holds for a row. */
export interface Column<Row, Value = unknown> {
  readonly type: ElementType<NonNullable<Value>>;
  /** Null and undefined are stored as NULL. */
  readonly value: (row: Row) => Value;
  /** Writes the values of all rows as one array. @returns where the array begins */
  write(rows: readonly Row[], writer: ArrayWriter): number;
}

/** Columns by their names in the database, in the order of a statement's parameters. */
export type Columns<Row> = { readonly [name: string]: Column<Row> };

/** The name of the column that stores a member: `entity_id` for `entityId`. */
export type ColumnName<Member> = Member extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${ColumnName<Rest>}`
  : Member;

/** A row of a set that contains rows of several tenants. */
export interface OfTenant<Row> {
  readonly tenantNo: number;
  readonly row: Row;
}

/** One column for each of these members: with `satisfies`, the compiler reports a member without a column. */
export type ColumnsFor<Members, Row> = {
  readonly [Member in keyof Members as ColumnName<Member>]-?: Column<Row>;
};

/** The same, with the column of the tenant. */
export type TenantColumnsFor<Members, Row> = ColumnsFor<
  Members & { readonly tenantNo: number },
  OfTenant<Row>
>;

/** A row that was read with some of the columns, under their names. */
export type ReadRow<Map, Name extends keyof Map> = {
  readonly [Each in Name]: ReadValue<Map[Each]>;
};

/** A row that was read as an array. */
export type ReadTuple<Map, Names extends readonly (keyof Map)[]> = {
  -readonly [Index in keyof Names]: ReadValue<Map[Names[Index]]>;
};

/** The value of a column as it is read: a time as microseconds since 1970, JSON as its text. */
export type ReadValue<Each> = Each extends Column<never, infer Value> ? Value : never;

/** Rows that are sent as one array a column, so that one statement takes any number of rows. */
export interface RowSet<Row> {
  /** The names of the columns, separated by commas. */
  readonly columns: string;
  /** The number of columns, and of parameters. */
  readonly size: number;
  /** The set as a table of a FROM clause. The first parameters of the statement are its arrays. */
  unnest(alias: string): string;
  /** The parameters. @throws TypeError where a number does not fit its column */
  values(rows: readonly Row[]): Buffer[];
}

/** A column of this type. @param value what the column holds for a row; null and undefined are stored as NULL */
export function column<Row, Element, Value extends Element | null | undefined>(
  type: ElementType<Element>,
  value: (row: Row) => Value,
): Column<Row, Value> {
  return {
    type,
    value,
    write: (rows, writer) => writer.array(type, rows, value),
  };
}

/** A guess of the bytes that a value takes on average. The header of an array takes as much as two values. */
const bytesPerValue = 32;
const valuesPerHeader = 2;

/**
 * The arrays are unnested in a select list, which walks them side by side. A function in a FROM clause would
 * first write all its rows into a store.
 */
export function defineRowSet<Row>(columns: Columns<Row>): RowSet<Row> {
  const entries = Object.entries(columns);
  const arrays = entries.map(
    ([name, { type }], index) => `unnest($${index + 1}::${type.name}[]) AS ${name}`,
  );
  return {
    columns: Object.keys(columns).join(', '),
    size: entries.length,
    unnest: (alias) => `(SELECT ${arrays.join(', ')}) AS ${alias}`,
    values(rows) {
      const size = entries.length * (rows.length + valuesPerHeader) * bytesPerValue;
      const writer = new ArrayWriter(size);
      return writer.cut(entries.map(([, each]) => each.write(rows, writer)));
    },
  };
}
