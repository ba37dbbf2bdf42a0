import { existsSync } from 'node:fs';

export interface ProcessEnvironment {
  /** All variables of this process, with those of the file `.env`. */
  readonly variables: NodeJS.ProcessEnv;
  /** The names of the variables that only the file `.env` sets. */
  readonly fromFile: ReadonlySet<string>;
}

/**
 * Reads the environment of the process and the file `.env` of the working folder. A variable of the
 * environment wins over the file. Nothing else in `src` reads `process.env`.
 */
export function readProcessEnvironment(): ProcessEnvironment {
  const before = new Set(Object.keys(process.env));
  if (existsSync('.env')) process.loadEnvFile('.env');
  const added = Object.keys(process.env).filter((name) => !before.has(name));
  return { variables: process.env, fromFile: new Set(added) };
}
