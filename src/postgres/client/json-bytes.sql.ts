/**
 * SQL for how long the text of a JSON column is, in bytes. What is not compressed is as long as it is
 * stored, and a few bytes more; only what is compressed has to be unpacked to be measured.
 */
export function jsonBytes(column: string): string {
  return `CASE WHEN pg_column_compression(${column}) IS NULL THEN coalesce(pg_column_size(${column}), 0)
       ELSE octet_length(${column}::text) END`;
}
