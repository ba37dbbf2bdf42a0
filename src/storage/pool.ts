import pg from 'pg';

export interface PoolOptions {
  readonly connectionString: string;
  readonly max: number;
  /** Called when an idle connection breaks; the pool has already replaced it. */
  readonly onIdleError: (error: Error) => void;
}

/** Each shorter than the next, so that the innermost wait is the one that gives up first. */
const timeouts = {
  lock_timeout: 2_000,
  statement_timeout: 5_000,
  idle_in_transaction_session_timeout: 5_000,
};

/**
 * The one pool of the process, shared with Prisma's adapter.
 *
 * Pipelining lets statements that do not wait for each other's results share a round trip; each
 * still has its own Sync, so an error ends one statement and not the protocol.
 */
export function createPool({ connectionString, max, onIdleError }: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString,
    max,
    pipeline: true,
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
    application_name: 'landfall',
    // Every statement is a probe of an index. Plans made while the tables were still empty would read
    // them whole, and a prepared statement keeps its plan until the first autoanalyze.
    options: '-c enable_seqscan=off',
    types: { getTypeParser },
    ...timeouts,
  });
  pool.on('error', onIdleError);
  // While a connection is in use its errors reach whoever waits for a statement; unheard, the event
  // that comes beside them would end the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

const { builtins } = pg.types;

/** bigint as number: versions and microseconds stay below 2^53. JSON as the text that it is. */
const getTypeParser: typeof pg.types.getTypeParser = (oid, format) => {
  if (oid === builtins.INT8) return Number;
  if (oid === builtins.JSON) return (text: string) => text;
  return pg.types.getTypeParser(oid, format);
};
