import { type DatabaseConfig, loadDatabaseConfig } from '../config/config.ts';
import { readProcessEnvironment } from '../config/process-environment.ts';
import { type Database, openDatabase } from '../postgres/database.ts';
import { developmentTools } from '../service/development.ts';
import { findDatabase } from '../service/find-database.ts';

/**
 * Lends the service's own database to a command, the embedded one too, also while the service runs.
 *
 * @throws ConfigError; Error where the database cannot be reached or migrated
 */
export async function withDatabase<Result>(
  use: (database: Database, config: DatabaseConfig) => Promise<Result>,
): Promise<Result> {
  const { variables } = readProcessEnvironment();
  const config = loadDatabaseConfig(variables, developmentTools() !== undefined);
  const quiet = { info: () => {} };
  const { stop, ...source } = await findDatabase(config, quiet);
  try {
    const database = await openDatabase({
      ...source,
      poolSize: 1,
      hooks: { onMigrated: () => {}, onIdleError: () => {}, onRetry: () => {} },
    });
    try {
      return await use(database, config);
    } finally {
      await database.close();
    }
  } finally {
    await stop();
  }
}
