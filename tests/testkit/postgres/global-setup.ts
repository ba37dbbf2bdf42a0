import type { TestProject } from 'vitest/node';
import { startTestServer } from './test-server.ts';
import { createTemplateDatabase, type TemplateDatabase } from './template-database.ts';

declare module 'vitest' {
  interface ProvidedContext {
    database: TemplateDatabase;
  }
}

/** Runs once for a test run: starts a server and creates the migrated database that the workers clone. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startTestServer();
  try {
    const template = await createTemplateDatabase(server.url);
    process.stderr.write(`tests: PostgreSQL ${template.version}, ${server.description}\n`);
    project.provide('database', template.provided);
    return async () => {
      await template.drop();
      await server.stop();
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}
