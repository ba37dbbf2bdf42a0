import { existsSync } from 'node:fs';

/**
 * Adds what `.env` in the working directory says, where there is one; what is set already stays.
 *
 * @param environment the process's own
 * @returns the names of what was added
 */
export function loadDotEnv(environment: NodeJS.ProcessEnv): ReadonlySet<string> {
  const before = new Set(Object.keys(environment));
  if (existsSync('.env')) process.loadEnvFile('.env');
  return new Set(Object.keys(environment).filter((name) => !before.has(name)));
}
