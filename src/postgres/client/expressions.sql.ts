import type { Column } from './row-set.ts';

/**
 * SQL for a timestamptz as microseconds since 1970. It computes with a double, which costs a third of
 * `extract`'s numeric. Within 2³² s of 1970 the nearest double is less than a quarter of a microsecond off, so
 * the result is exact from 1834 to 2106. The server's clock bounds all times that are read back. A time that
 * the clock of a client put before 1834 may be a microsecond off.
 */
export function micros(timestamp: string): string {
  return `(date_part('epoch', ${timestamp}) * 1000000)::bigint`;
}

/** The same, exact for any time: it computes with a numeric, which costs three times as much. */
export function exactMicros(timestamp: string): string {
  return `(extract(epoch FROM ${timestamp}) * 1000000)::bigint`;
}

/**
 * SQL for the length in bytes of the text of a JSON column. A value that is not compressed is as long as its
 * stored form, which has a few bytes more. Only a compressed value has to be unpacked to be measured.
 */
export function jsonBytes(column: string): string {
  return `CASE WHEN pg_column_compression(${column}) IS NULL THEN coalesce(pg_column_size(${column}), 0)
       ELSE octet_length(${column}::text) END`;
}

/**
 * The select list of some columns, each under its own name. Times are read as microseconds since 1970.
 *
 * @param table the name or alias of the table in the statement
 */
export function selectList<Name extends string>(
  columns: { readonly [Each in Name]: Column<never> },
  names: readonly Name[],
  table: string,
): string {
  const expressions = names.map((name) => {
    const column = `${table}.${name}`;
    const { name: type } = columns[name].type;
    return type === 'timestamptz' ? `${micros(column)} AS ${name}` : column;
  });
  return expressions.join(', ');
}
