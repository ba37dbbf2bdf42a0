import type { SyncEvent } from '../../src/domain/event.ts';
import { type LocalEdit, Outbox, type OutboxOptions } from '../outbox/outbox.ts';

/** The records that the bases of queued edits were, at the last pull. */
const schema = `CREATE TABLE IF NOT EXISTS bases (
  identity_key TEXT PRIMARY KEY,
  entity       TEXT NOT NULL,
  version      INTEGER NOT NULL,
  updated_at   TEXT NOT NULL
) STRICT`;

/**
 * An outbox that also takes guarded edits: the server answers CONFLICT where its record is not the one
 * that the user saw.
 */
export class GuardedOutbox extends Outbox {
  constructor(options: OutboxOptions) {
    super(options);
    this.database.run(schema);
  }

  /** @returns the identityKey */
  enqueueGuarded(entityType: string, entityId: string, edit: LocalEdit): string {
    let identityKey = '';
    this.database.transaction(() => {
      const base = this.#findBase(entityType, entityId);
      identityKey = this.enqueue(entityType, entityId, { ...edit, ...base });
    });
    return identityKey;
  }

  /** The version of the record on this device, 0 for none. */
  version(entityType: string, entityId: string): number {
    const record = "SELECT record ->> 'version' AS version FROM records WHERE entity = ?";
    const { version } = this.database.get(record, JSON.stringify([entityType, entityId]));
    return Number(version ?? 0);
  }

  override async sync(): Promise<void> {
    // Whether its base still exists has to be known before an edit is sent.
    const based = "SELECT 1 FROM pending WHERE event ->> 'baseVersion' > 0";
    if (this.database.all(based).length > 0) await this.pull();
    await super.sync();
  }

  override async push(): Promise<void> {
    // A pull that failed half-way may have replaced records.
    this.#failLostBases();
    await super.push();
  }

  override async pull(): Promise<void> {
    this.#failLostBases();
    this.database.run(`REPLACE INTO bases
      SELECT identity_key, entity, record ->> 'version', record ->> 'updatedAt'
      FROM pending JOIN records USING (entity) WHERE event ->> 'baseVersion' > 0`);
    await super.pull();
    this.#failLostBases();
  }

  /** What the user saw: this device's own last edit, else the server's record. */
  #findBase(entityType: string, entityId: string): Pick<SyncEvent, 'baseKey' | 'baseVersion'> {
    const { baseKey } = this.database.get(
      `SELECT max(position), identity_key AS baseKey FROM queue
       WHERE entity = ? AND status <> 'failed'`,
      JSON.stringify([entityType, entityId]),
    );
    if (typeof baseKey === 'string') return { baseKey };
    return { baseVersion: this.version(entityType, entityId) };
  }

  /**
   * A record with the same version and another time, or with a lower version, is of another history.
   * The server knows a base by its version alone, and could take an edit of the lost record for an edit
   * of this one. So a person decides.
   */
  #failLostBases(): void {
    this.database.run(`UPDATE queue SET status = 'failed', last_error = '{"code":"BASE_LOST"}'
      WHERE status = 'pending' AND identity_key IN (
        SELECT identity_key FROM bases JOIN records USING (entity)
        WHERE record ->> 'version' < bases.version
          OR (record ->> 'version' = bases.version AND record ->> 'updatedAt' <> updated_at))`);
    this.database.run(
      'DELETE FROM bases WHERE identity_key NOT IN (SELECT identity_key FROM pending)',
    );
  }
}
