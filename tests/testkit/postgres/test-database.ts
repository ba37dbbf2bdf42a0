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

/**
 * Creates a database without the schema, as anybody creates one: a statement finds a table of the service by the name
 * of its schema only.
 */
export function createPlainDatabase(): Promise<TestDatabase> {
  return cloneTemplate(inject('database'), 'template0', false);
}
