import type { TestProject } from 'vitest/node';
import { startServer } from './postgres.ts';
import { createTemplate, type Template } from './template.ts';

declare module 'vitest' {
  interface ProvidedContext {
    database: Template;
  }
}

/** Once for a whole test run: a server, and on it a migrated template for the workers to clone. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startServer();
  try {
    const template = await createTemplate(server.url);
    process.stderr.write(`tests: PostgreSQL ${template.version}, ${server.origin}\n`);
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
