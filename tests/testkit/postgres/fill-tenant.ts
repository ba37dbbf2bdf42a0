/**
 * Writes the rows of a tenant that has been in use for long: an event for each version from `first` to `last`,
 * and one row of every other table for each event. The caller writes the row in `tenants`.
 */
export async function fillTenant(
  query: (text: string, values: readonly unknown[]) => Promise<unknown>,
  id: string,
  [first, last]: readonly [first: number, last: number],
): Promise<void> {
  const versions = `generate_series(${first}, ${last}) AS v`;
  for (const text of [
    `INSERT INTO events SELECT $1, v, 'old-' || v, '', 'note.put', 1, 'note', 'n' || v % 100, 'applied',
       NULL, NULL, NULL, now(), now(), false, NULL, NULL, NULL, '{}', v - 1, v FROM ${versions}`,
    `INSERT INTO records SELECT $1, 'note', 'old-' || v, v, v % 2 = 0, '{"title":"t","body":""}', '{}', NULL,
       'old-' || v, 'note.put', NULL, now(), now(), now() FROM ${versions}`,
    `INSERT INTO purged_records SELECT $1, 'note', 'gone-' || v, v, '{}', NULL, 'old-' || v, 'note.put',
       NULL, now(), now(), now() FROM ${versions}`,
    `INSERT INTO effects SELECT $1, 'other', 'n' || v % 100, v, 0, v FROM ${versions}`,
    `INSERT INTO conflicts SELECT $1, v, 'note', 'n' || v % 100, 'discard', v + 1 FROM ${versions}`,
    `INSERT INTO replays SELECT $1, v, 1, now() FROM ${versions}`,
  ]) {
    await query(text, [id]);
  }
}
