import type { DatabaseConfig } from '../config/config.ts';
import { developmentTools } from './development.ts';

/** How to reach the database, in the words of `openDatabase`. */
export interface DatabaseSource {
  readonly connectionString: string;
  readonly directConnectionString: string | undefined;
  readonly preparedStatements: boolean;
  readonly origin?: string;
  /** Stops what was started for it. */
  readonly stop: () => Promise<void>;
}

/**
 * The database of the settings. Where they name none, the development tools start one.
 *
 * @throws StartError where it does not start; Error where nobody has one
 */
export async function findDatabase(
  { databaseUrl, directDatabaseUrl, preparedStatements, dataDir }: DatabaseConfig,
  log: { info(fields: object, message: string): void },
): Promise<DatabaseSource> {
  const settings = { directConnectionString: directDatabaseUrl, preparedStatements };
  if (databaseUrl !== undefined) {
    return { ...settings, connectionString: databaseUrl, stop: async () => {} };
  }
  const tools = developmentTools();
  if (!tools) throw new Error('DATABASE_URL is not set, and there are no development tools');
  const { url, origin, stop } = await tools.startDatabase({ dataDir, log });
  return { ...settings, connectionString: url, origin, stop };
}
