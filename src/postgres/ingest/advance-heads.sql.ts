import type { QueryConfig } from 'pg';
import { int8, text } from '../client/binary-array.ts';
import { column, defineRowSet } from '../client/row-set.ts';

interface Moved {
  readonly id: string;
  readonly head: number;
}

const moved = defineRowSet<Moved>({
  id: column(text, ({ id }) => id),
  head: column(int8, ({ head }) => head),
});

/** No join: planned while there were no tenants, it would read all of them to find these. */
const updateText = `
UPDATE tenants
SET head = ($2::int8[])[array_position($1::text[], id)]
WHERE id = ANY($1::text[])`;

/** Moves heads past the events just appended. */
export function advanceHeads(rows: readonly Moved[]): QueryConfig {
  return { name: 'advance-heads', text: updateText, values: moved.values(rows) };
}
