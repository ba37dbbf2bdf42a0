import pg from 'pg';
import { disablePreparedStatements } from './pipeline.ts';

export interface PoolOptions {
  readonly connectionString: string;
  readonly max: number;
  /** Called when an idle connection breaks; the pool has already replaced it. */
  readonly onIdleError: (error: Error) => void;
  /** False behind a pooler that does not keep named statements: each is then sent whole. */
  readonly preparedStatements?: boolean;
  /** For a connection, and then for an answer to a statement, in milliseconds. */
  readonly patience?: { readonly connectMs: number; readonly queryMs: number };
}

/**
 * The statements' own timeouts are set in each transaction and are shorter. This ends a wait for a
 * server that does not answer at all: 17 s in the worst case, less than a request may take. What waits for
 * another's look, its own and a page is ended by its deadline.
 */
const usualPatience = { connectMs: 5_000, queryMs: 12_000 };

/**
 * A pool of the process; the big one is shared with Prisma's adapter. Nothing is set in the sessions
 * (see sql/transaction.ts), so that a transaction pooler may stand before the server.
 *
 * Where pg pipelines, a statement whose answer does not come ends its connection. What shares a round
 * trip on purpose goes by trip.ts.
 */
export function createPool(options: PoolOptions): pg.Pool {
  const { connectionString, max, onIdleError } = options;
  const { connectMs, queryMs } = options.patience ?? usualPatience;
  const pool = new pg.Pool({
    connectionString,
    max,
    pipeline: true,
    keepAlive: true,
    connectionTimeoutMillis: connectMs,
    query_timeout: queryMs,
    application_name: 'landfall',
    types: { getTypeParser },
  });
  pool.on('error', onIdleError);
  // While a connection is in use its errors reach whoever waits for a statement; unheard, the event
  // that comes beside them would end the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  if (options.preparedStatements === false) pool.on('connect', disablePreparedStatements);
  return pool;
}

const { builtins } = pg.types;

/** bigint as number: versions and microseconds stay below 2^53. JSON as the text that it is. */
const getTypeParser: typeof pg.types.getTypeParser = (oid, format) => {
  if (oid === builtins.INT8) return Number;
  if (oid === builtins.JSON) return (text: string) => text;
  return pg.types.getTypeParser(oid, format);
};
