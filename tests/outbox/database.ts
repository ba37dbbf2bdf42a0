import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from 'node:sqlite';

const schema = `
  -- What the user did, in that order, until the server has it and a pull has brought it back.
  CREATE TABLE IF NOT EXISTS queue (
    position        INTEGER PRIMARY KEY AUTOINCREMENT,
    identity_key    TEXT NOT NULL UNIQUE,
    entity_type     TEXT NOT NULL,
    entity_id       TEXT NOT NULL,
    -- The event as JSON, sent just so at every try: the server knows a retry by its content.
    event           TEXT NOT NULL,
    occurred_at     INTEGER NOT NULL,           -- microseconds of the device's clock
    -- pending: to be sent. processed: the server has it, shown until pulled, then deleted.
    -- failed: given up, no longer shown, kept for a person to look at.
    status          TEXT NOT NULL DEFAULT 'pending',
    version         INTEGER,                    -- in the server's log, once processed
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL DEFAULT 0, -- milliseconds of the device's clock
    last_error      TEXT                        -- what the server answered, as JSON
  ) STRICT;
  CREATE INDEX IF NOT EXISTS queue_by_entity ON queue (entity_type, entity_id, position);

  -- The last number that this device gave or saw in an aggregate, for kinds that keep an order.
  CREATE TABLE IF NOT EXISTS sequences (
    entity_type TEXT NOT NULL,
    entity_id   TEXT NOT NULL,
    last        INTEGER NOT NULL,
    PRIMARY KEY (entity_type, entity_id)
  ) STRICT;

  -- What the server says. The queue is laid over it whenever it is read.
  CREATE TABLE IF NOT EXISTS records (
    entity_type TEXT NOT NULL,
    entity_id   TEXT NOT NULL,
    version     INTEGER NOT NULL,
    deleted     INTEGER NOT NULL,
    data        TEXT NOT NULL,
    updated_at  TEXT NOT NULL,                  -- tells it from one of another history
    generation  INTEGER NOT NULL,               -- the bootstrap since which it is known
    PRIMARY KEY (entity_type, entity_id)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS records_by_generation ON records (generation);

  -- One row: how far this device has pulled, and in which bootstrap.
  CREATE TABLE IF NOT EXISTS progress (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    checkpoint TEXT,
    generation INTEGER NOT NULL
  ) STRICT;
  INSERT OR IGNORE INTO progress VALUES (1, NULL, 1);
`;

export type Row = { readonly [column: string]: SQLOutputValue };
export type Database = ReturnType<typeof openDatabase>;

/** Keep SQLite's synchronous = FULL: an edit that the user saw saved must survive a power cut. */
export function openDatabase(file: string) {
  const sqlite = new DatabaseSync(file, { timeout: 5_000 });
  sqlite.exec('PRAGMA journal_mode = WAL');
  sqlite.exec(schema);

  return {
    all: (sql: string, ...values: SQLInputValue[]): Row[] => sqlite.prepare(sql).all(...values),
    get: (sql: string, ...values: SQLInputValue[]): Row => sqlite.prepare(sql).get(...values) ?? {},
    run: (sql: string, ...values: SQLInputValue[]) => sqlite.prepare(sql).run(...values),
    /** Stores all of `work` or, where it throws or the process dies, nothing of it. */
    transaction: <Result>(work: () => Result): Result => {
      // IMMEDIATE: another process on this file waits here, not half-way at its first write.
      sqlite.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        sqlite.exec('COMMIT');
        return result;
      } catch (error) {
        sqlite.exec('ROLLBACK');
        throw error;
      }
    },
    close: () => sqlite.close(),
  };
}
