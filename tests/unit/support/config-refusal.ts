import { ConfigError, loadConfig } from '../../../src/config/config.ts';

/** The message of the ConfigError for an environment. Throws if the environment is accepted. */
export function refusal(environment: NodeJS.ProcessEnv): string {
  try {
    loadConfig(environment, () => 'a secret of thirty-two characters');
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('the environment was accepted');
}
