import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from 'node:sqlite';

const schema = `
  CREATE TABLE IF NOT EXISTS queue (
    position        INTEGER PRIMARY KEY,             -- the order of the user's actions
    identity_key    TEXT NOT NULL UNIQUE,
    entity          TEXT NOT NULL,                   -- '["type","id"]'
    event           TEXT NOT NULL,                   -- JSON, the same at every try
    status          TEXT NOT NULL DEFAULT 'pending', -- 'processed' until it is pulled, or 'failed'
    version         INTEGER,                         -- in the server's log, once processed
    next_attempt_at INTEGER NOT NULL DEFAULT 0,      -- milliseconds of the device's clock
    last_error      TEXT NOT NULL DEFAULT '{}'       -- JSON: the last failure, and the tries so far
  ) STRICT;
  -- An event is due when its wait and those of all earlier events of its entity are over.
  CREATE VIEW IF NOT EXISTS pending AS
    SELECT *, max(next_attempt_at) OVER (PARTITION BY entity ORDER BY position) AS due_at
    FROM queue WHERE status = 'pending';
  -- The server's latest record of each entity, and the bootstrap (generation) that brought it.
  CREATE TABLE IF NOT EXISTS records (entity TEXT PRIMARY KEY, record TEXT, generation INTEGER);
  -- One row: how far this device has pulled, and in which bootstrap.
  CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY, checkpoint TEXT, generation INTEGER);
  INSERT OR IGNORE INTO progress VALUES (1, NULL, 1);`;

type Row = { readonly [column: string]: SQLOutputValue };

/** Keeps SQLite's default of synchronous = FULL: a saved edit has to survive a power cut. */
export function openOutboxDatabase(file: string) {
  const sqlite = new DatabaseSync(file, { timeout: 5_000 });
  sqlite.exec(`PRAGMA journal_mode = WAL; ${schema}`);
  return {
    all: (sql: string, ...values: SQLInputValue[]): Row[] => sqlite.prepare(sql).all(...values),
    get: (sql: string, ...values: SQLInputValue[]): Row => sqlite.prepare(sql).get(...values) ?? {},
    run: (sql: string, ...values: SQLInputValue[]) => void sqlite.prepare(sql).run(...values),
    close: () => sqlite.close(),
    /** Stores all of `work`, or nothing where it throws. It joins a transaction that is open. */
    transaction: (work: () => void): void => {
      if (sqlite.isTransaction) return work();
      sqlite.exec('BEGIN IMMEDIATE');
      try {
        work();
        sqlite.exec('COMMIT');
      } finally {
        if (sqlite.isTransaction) sqlite.exec('ROLLBACK');
      }
    },
  };
}
