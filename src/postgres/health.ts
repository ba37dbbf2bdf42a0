import pg from 'pg';
import { isServerError } from './client/errors.ts';
import { createPool, type PoolOptions, type SchemaPool } from './client/pool.ts';
import { runInOneRoundTrip, tenantScope } from './client/transaction.sql.ts';
import { migrationNames, pendingMigrations } from './migrate/migrate.ts';

/** `database`: the database answers. `migrations`: it has all migrations of this version of the service. */
export type DatabaseChecks = { readonly database: boolean; readonly migrations: boolean };

export interface DatabaseHealth {
  /** Never throws. Answers within four seconds. */
  check(): Promise<DatabaseChecks>;
  close(): Promise<void>;
}

const timeouts = { connectMs: 2_000, queryMs: 2_000 };

/**
 * Checks the database in the service's role, but on a connection of its own: a database is healthy also while all
 * connections of the service's pool are in use. Calls share the check that is under way.
 */
export async function createDatabaseHealth(
  options: Pick<PoolOptions, 'connectionString' | 'preparedStatements'>,
): Promise<DatabaseHealth> {
  const names = await migrationNames();
  const pool = createPool({ ...options, max: 1, onIdleError: () => {}, timeouts });
  let underWay: Promise<DatabaseChecks> | undefined;
  return {
    check: () =>
      (underWay ??= checkDatabase(pool, names).finally(() => {
        underWay = undefined;
      })),
    close: () => pool.end(),
  };
}

async function checkDatabase(pool: SchemaPool, names: readonly string[]): Promise<DatabaseChecks> {
  try {
    const pending = await runInOneRoundTrip(pool, tenantScope([]), (sender) =>
      pendingMigrations(sender, names),
    );
    return { database: true, migrations: pending.length === 0 };
  } catch (error) {
    // The database answers where the service's role is missing, too.
    const answers = error instanceof pg.DatabaseError && !isServerError(error.code ?? '57');
    return { database: answers, migrations: false };
  }
}
