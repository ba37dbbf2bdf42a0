import { ConfigError, loadConfig } from '../../../src/config/config.ts';

/** What is said of an environment that describes no service. Throws where it is taken. */
export function refusal(environment: NodeJS.ProcessEnv): string {
  try {
    loadConfig(environment, () => 'a secret of thirty-two characters');
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('the environment was taken');
}
