import { explainDataDir, StartError } from '../../src/config/start-error.ts';
import type { StartedDatabase } from '../../src/service/development.ts';
import { startEmbedded } from './embedded-postgres.ts';

const origin = 'the embedded database (DATABASE_URL is not set)';

/**
 * Starts the embedded database.
 *
 * @throws StartError where DATA_DIR cannot be written, or the platform has no such database
 */
export async function startDevelopmentDatabase(
  options: Parameters<typeof startEmbedded>[0],
): Promise<StartedDatabase> {
  try {
    return { origin, ...(await startEmbedded(options)) };
  } catch (error) {
    const explained = explainDataDir(options.dataDir, error);
    // A message of the operating system gives no advice.
    if (explained !== error || !(error instanceof Error) || 'syscall' in error) throw explained;
    const reason = error.message.split('\n', 1)[0] ?? '';
    throw new StartError(`DATABASE_URL: it is not set, and ${reason}`, { cause: error });
  }
}
