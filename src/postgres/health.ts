import pg from 'pg';
import { migrationNames, pendingMigrations } from './migrate/migrate.ts';
import { isServerError } from './client/errors.ts';
import { createPool, type PoolOptions } from './client/pool.ts';
import { tenantScope, runInOneRoundTrip } from './client/transaction.sql.ts';

/** Each by name: can it be reached, and does it have this version's schema? */
export type DatabaseChecks = { readonly database: boolean; readonly migrations: boolean };

export interface DatabaseHealth {
  /** Never throws, and answers within four seconds. */
  check(): Promise<DatabaseChecks>;
  close(): Promise<void>;
}

const patience = { connectMs: 2_000, queryMs: 2_000 };

/**
 * Looks as the service does, but on a connection of its own: a pool that is all in use is no database
 * that is away. However many ask, one look is under way at a time.
 */
export async function createDatabaseHealth(
  options: Pick<PoolOptions, 'connectionString' | 'preparedStatements'>,
): Promise<DatabaseHealth> {
  const names = await migrationNames();
  const pool = createPool({ ...options, max: 1, onIdleError: () => {}, patience });
  let underWay: Promise<DatabaseChecks> | undefined;
  return {
    check: () =>
      (underWay ??= look(pool, names).finally(() => {
        underWay = undefined;
      })),
    close: () => pool.end(),
  };
}

async function look(pool: pg.Pool, names: readonly string[]): Promise<DatabaseChecks> {
  try {
    const pending = await runInOneRoundTrip(pool, tenantScope([]), (trip) =>
      pendingMigrations(trip, names),
    );
    return { database: true, migrations: pending.length === 0 };
  } catch (error) {
    // It answers, but knows the service's role not yet, or not any more.
    const answers = error instanceof pg.DatabaseError && !isServerError(error.code ?? '57');
    return { database: answers, migrations: false };
  }
}
