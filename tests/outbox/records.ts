import type { SyncRecord } from '../../src/protocol/record.ts';
import type { Database } from './database.ts';
import type { Failure } from './queue.ts';

/** The record's version as last heard of, 0 for none: for payloads that hold it themselves. */
export function knownVersion({ get }: Database, entityType: string, entityId: string): number {
  const record = 'SELECT version FROM records WHERE entity_type = ? AND entity_id = ?';
  return Number(get(record, entityType, entityId).version ?? 0);
}

/** Keeps what the server says of one entity, unless something newer is known. */
export function saveRecord(database: Database, record: SyncRecord): void {
  const { entityType, entityId, version, deleted, data, updatedAt } = record;
  // After a bootstrap versions may begin anew: they compare within one generation only. In one
  // history a version of a record has one `updatedAt`.
  const { replaced } = database.get(
    `SELECT 1 AS replaced FROM records JOIN progress ON entity_type = ? AND entity_id = ?
     WHERE (version = ? AND updated_at <> ?)
        OR (version > ? AND records.generation < progress.generation)`,
    ...[entityType, entityId, version, updatedAt, version],
  );
  if (replaced) failLostBases(database, entityType, entityId);
  database.run(
    `INSERT INTO records (entity_type, entity_id, version, deleted, data, updated_at, generation)
     SELECT ?, ?, ?, ?, ?, ?, generation FROM progress WHERE true
     ON CONFLICT DO UPDATE SET (version, deleted, data, updated_at, generation)
       = (excluded.version, excluded.deleted, excluded.data, excluded.updated_at, excluded.generation)
     WHERE excluded.version >= version OR excluded.generation > generation`,
    ...[entityType, entityId, version, Number(deleted), JSON.stringify(data), updatedAt],
  );
}

/**
 * The record was replaced by one of another history. The server knows a base by its number alone,
 * and could take an edit of the lost record for an edit of this one. So a person decides.
 */
function failLostBases({ run }: Database, entityType: string, entityId: string): void {
  const failure: Failure = {
    code: 'BASE_LOST',
    message: 'the record that this edit was made on is of a history that was replaced',
    retryable: false,
  };
  run(
    `UPDATE queue SET status = 'failed', last_error = ? WHERE status = 'pending'
       AND entity_type = ? AND entity_id = ? AND event ->> 'baseVersion' > 0`,
    ...[JSON.stringify(failure), entityType, entityId],
  );
}
