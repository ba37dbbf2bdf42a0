import type { DatabaseConfig } from '../config/config.ts';
import { registeredDevelopmentTools } from './development.ts';

/** How to reach the database: a part of the options of `openDatabase`. */
export interface DatabaseSource {
  readonly connectionString: string;
  readonly directConnectionString: string | undefined;
  readonly preparedStatements: boolean;
  readonly origin?: string;
  /** Stops the database if this process started it. */
  readonly stop: () => Promise<void>;
}

/**
 * Finds the database of the settings. Without DATABASE_URL, the development tools start one.
 *
 * @throws StartError if the database does not start; Error if there are no development tools
 */
export async function findDatabase(
  { databaseUrl, directDatabaseUrl, preparedStatements, dataDir }: DatabaseConfig,
  log: { info(fields: object, message: string): void },
): Promise<DatabaseSource> {
  const settings = { directConnectionString: directDatabaseUrl, preparedStatements };
  if (databaseUrl !== undefined) {
    return { ...settings, connectionString: databaseUrl, stop: async () => {} };
  }
  const tools = registeredDevelopmentTools();
  if (!tools) throw new Error('DATABASE_URL is not set, and there are no development tools');
  const { url, origin, stop } = await tools.startDatabase({ dataDir, log });
  return { ...settings, connectionString: url, origin, stop };
}
