import type { QueryConfig } from 'pg';
import { int8, text } from './binary-array.ts';
import { column, defineRowSet } from './row-set.ts';

interface Moved {
  readonly id: string;
  readonly head: number;
}

const moved = defineRowSet<Moved>({
  id: column(text, ({ id }) => id),
  head: column(int8, ({ head }) => head),
});

const updateText = `
UPDATE tenants AS tenant
SET head = moved.head
FROM ${moved.unnest('moved')}
WHERE tenant.id = moved.id`;

/** Moves heads past the events just appended. */
export function advanceHeads(rows: readonly Moved[]): QueryConfig {
  return { name: 'advance-heads', text: updateText, values: moved.values(rows) };
}
