import { type DatabaseConfig, loadDatabaseConfig } from '../config/config.ts';
import { readProcessEnvironment } from '../config/process-environment.ts';
import { type Database, openDatabase } from '../postgres/database.ts';
import { registeredDevelopmentTools } from '../service/development.ts';
import { findDatabase } from '../service/find-database.ts';

/**
 * Opens the database of the service for a command, also while the service runs. It can be the embedded one.
 *
 * @throws ConfigError; Error if the database cannot be reached or migrated
 */
export async function withDatabase<Result>(
  use: (database: Database, config: DatabaseConfig) => Promise<Result>,
): Promise<Result> {
  const { variables } = readProcessEnvironment();
  const config = loadDatabaseConfig(variables, registeredDevelopmentTools() !== undefined);
  const silentLog = { info: () => {} };
  const { stop, ...source } = await findDatabase(config, silentLog);
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
