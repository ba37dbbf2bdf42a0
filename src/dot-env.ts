import { existsSync } from 'node:fs';

/** Adds what `.env` in the working directory says, where there is one; what is set already stays. */
export function loadDotEnv(): void {
  if (existsSync('.env')) process.loadEnvFile('.env');
}
