import type { Query } from './tenant-history.ts';

/** The entities of a filled tenant that have many events each: e0, e1, and so on. */
const manyEvents = 100;

/**
 * Writes the rows of a tenant that has been in use for long: an event for each version from `first` to `last`,
 * and one row of every other table for each event. The row in `tenants` must be there. The caller moves its head.
 * Records that are there already become newer.
 */
export async function fillTenant(
  query: Query,
  id: string,
  [first, last]: readonly [first: number, last: number],
): Promise<void> {
  const no = '(SELECT no FROM tenants WHERE id = $1)';
  const versions = `generate_series(${first}, ${last}) AS v`;
  const origin = `'old-' || v, 'note.put'`;
  const entity = `'e' || v % ${manyEvents}`;
  const before = `CASE WHEN v - ${manyEvents} >= ${first} THEN v - ${manyEvents} END`;
  const recordColumns = `tenant_no, entity_type, entity_id, version, last_event, deleted, data, data_version, clock,
       origin_key, origin_kind, origin_at, created_at, updated_at`;
  const data = `'{"title":"t","body":""}', 1, '{}'`;
  const orReplace = `ON CONFLICT (tenant_no, entity_type, entity_id)
     DO UPDATE SET version = excluded.version, last_event = excluded.last_event`;
  for (const text of [
    `INSERT INTO events (tenant_no, version, key_hash, identity_key, kind, kind_version, entity_type, entity_id,
       outcome, received_at, effective_at, clock_adjusted, record_changed, previous_version, payload)
     SELECT ${no}, v, ${hashOf(`'old-' || v`)}, ${origin}, 1, 'note', ${entity},
       1, now(), now(), false, true, ${before}, '{}' FROM ${versions}`,
    `INSERT INTO records (${recordColumns})
     SELECT ${no}, 'note', 'old-' || v, v, v, v % 2 = 0, ${data}, ${origin}, now(), now(), now()
     FROM ${versions} ${orReplace}`,
    `INSERT INTO records (${recordColumns})
     SELECT ${no}, 'note', ${entity}, v, v, false, ${data}, ${origin}, now(), now(), now()
     FROM ${versions} WHERE v > ${last - manyEvents} ${orReplace}`,
    `INSERT INTO purged_records (tenant_no, entity_type, entity_id, version, last_event, clock,
       origin_key, origin_kind, origin_at, created_at, updated_at)
     SELECT ${no}, 'note', 'gone-' || v, v, v, '{}', ${origin}, now(), now(), now() FROM ${versions}
     ON CONFLICT DO NOTHING`,
    `INSERT INTO effects (tenant_no, entity_type, entity_id, version, record_before, record_after)
     SELECT ${no}, 'other', ${entity}, v, 0, v FROM ${versions}`,
    `INSERT INTO conflicts (tenant_no, version, entity_type, entity_id, resolution, resolved_version)
     SELECT ${no}, v, 'note', ${entity}, 'discard', v + 1 FROM ${versions}`,
    `INSERT INTO resends (tenant_no, version, count, last_at) SELECT ${no}, v, 1, now() FROM ${versions}`,
  ]) {
    await query(text, [id]);
  }
}

/** SQL for the hash by which an event is found. @param identityKey SQL for its key */
export function hashOf(identityKey: string): string {
  return `substr(sha256(convert_to(${identityKey}, 'UTF8')), 1, 16)`;
}
