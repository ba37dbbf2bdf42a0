import { inject } from 'vitest';
import { cloneTemplate } from './template.ts';

export type TestDatabase = { url: string; drop(): Promise<void> };

/** A new database with the schema and nothing else, for one test file or one test. */
export function createDatabase(): Promise<TestDatabase> {
  return cloneTemplate(inject('database'));
}

/** A new database without the schema. */
export function createEmptyDatabase(): Promise<TestDatabase> {
  return cloneTemplate(inject('database'), 'template0');
}
