import pg from 'pg';
import { schemaOf } from '../../config/database-url.ts';
import { disablePreparedStatements } from './pipeline.ts';
import type { TenantForm } from './tenant-rows.sql.ts';

export interface PoolOptions {
  readonly connectionString: string;
  readonly max: number;
  /** Called when an idle connection breaks. The pool has already replaced the connection. */
  readonly onIdleError: (error: Error) => void;
  /**
   * False behind a pooler that does not keep named statements: each statement is then sent with its text. True
   * by default.
   */
  readonly preparedStatements?: boolean;
  /** `many` by default. */
  readonly form?: TenantForm;
  /** The maximum wait for a connection, and for the answer to a statement, in milliseconds. */
  readonly timeouts?: { readonly connectMs: number; readonly queryMs: number };
}

/**
 * They end the wait for a server that does not answer at all. The timeouts that each transaction sets in the
 * server are shorter. The sum is 17 s, less than a request may take. The deadline of a request ends longer waits,
 * such as for the read of another request and then for its own.
 */
const defaultTimeouts = { connectMs: 5_000, queryMs: 12_000 };

/** Where the tables of a database are, and how statements name tenants there. */
export interface Tables {
  readonly schema: string;
  readonly form: TenantForm;
}

/** A pool of connections to a database, and its tables. */
export interface SchemaPool extends pg.Pool, Tables {}

/**
 * A pool of connections. The largest pool is shared with Prisma's adapter. The service sets nothing in the
 * sessions, so a transaction pooler may stand before the server: `transaction.sql.ts` sets everything in the
 * transaction.
 *
 * pg pipelines on these connections. A statement whose answer does not come in time ends its connection.
 * `runPipelined` sends the statements that are to share a round trip.
 */
export function createPool(options: PoolOptions): SchemaPool {
  const { connectionString, max, onIdleError } = options;
  const { connectMs, queryMs } = options.timeouts ?? defaultTimeouts;
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
  // An error of a connection in use reaches the caller that waits for a statement. The event that comes with it
  // would end the process without a listener.
  pool.on('connect', (client) => client.on('error', () => {}));
  if (options.preparedStatements === false) pool.on('connect', disablePreparedStatements);
  return Object.assign(pool, { schema: schemaOf(connectionString), form: options.form ?? 'many' });
}

const { builtins } = pg.types;

/** Reads bigint as a number, because versions and microseconds stay below 2^53, and JSON as its text. */
const getTypeParser: typeof pg.types.getTypeParser = (oid, format) => {
  if (oid === builtins.INT8) return Number;
  if (oid === builtins.JSON) return (text: string) => text;
  return pg.types.getTypeParser(oid, format);
};
