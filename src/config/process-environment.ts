import { existsSync } from 'node:fs';

export interface ProcessEnvironment {
  /** All variables of this process, those of the file `.env` among them. */
  readonly variables: NodeJS.ProcessEnv;
  /** The names of those that the file `.env` of the working folder has added. */
  readonly fromFile: ReadonlySet<string>;
}

/** The only place that reads `process.env`. A variable that is set already wins against the file. */
export function readProcessEnvironment(): ProcessEnvironment {
  const before = new Set(Object.keys(process.env));
  if (existsSync('.env')) process.loadEnvFile('.env');
  const added = Object.keys(process.env).filter((name) => !before.has(name));
  return { variables: process.env, fromFile: new Set(added) };
}
