import { type DatabaseConfig, loadDatabaseConfig } from '../config.ts';
import { loadDotEnv } from '../dot-env.ts';
import { type Database, openDatabase } from '../storage/database.ts';
import { embeddedOrigin } from '../storage/embedded.ts';
import { startOwn } from '../storage/start-fault.ts';

/**
 * Lends the service's own database to a command, the embedded one too, also while the service runs.
 *
 * @throws ConfigError; Error where the database cannot be reached or migrated
 */
export async function withDatabase<Result>(
  use: (database: Database, config: DatabaseConfig) => Promise<Result>,
): Promise<Result> {
  loadDotEnv(process.env);
  const config = loadDatabaseConfig(process.env);
  const quiet = { info: () => {} };
  const { databaseUrl, directDatabaseUrl, preparedStatements } = config;
  const embedded =
    databaseUrl === undefined ? await startOwn({ dataDir: config.dataDir, log: quiet }) : undefined;
  try {
    const database = await openDatabase({
      connectionString: databaseUrl ?? embedded?.url ?? '',
      directConnectionString: directDatabaseUrl,
      ...(embedded && { origin: embeddedOrigin }),
      poolSize: 1,
      preparedStatements,
      hooks: { onMigrated: () => {}, onIdleError: () => {}, onRetry: () => {} },
    });
    try {
      return await use(database, config);
    } finally {
      await database.close();
    }
  } finally {
    await embedded?.stop();
  }
}
