import { inject } from 'vitest';
import { cloneTemplate } from './template-database.ts';

/** A database of one test file or one test. */
export interface TestDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

/** Creates a database with the schema and without rows. */
export function createDatabase(): Promise<TestDatabase> {
  return cloneTemplate(inject('database'));
}

/** Creates a database without the schema. */
export function createEmptyDatabase(): Promise<TestDatabase> {
  return cloneTemplate(inject('database'), 'template0');
}
