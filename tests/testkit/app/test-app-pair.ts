import { type TestAppOptions, startApp, type TestApp } from './test-app.ts';

/** Two apps on one database, as two service processes are. */
export interface TestAppPair {
  readonly services: readonly [TestApp, TestApp];
  close(): Promise<void>;
}

export async function startAppPair(
  options: Omit<TestAppOptions, 'database'> = {},
): Promise<TestAppPair> {
  const first = await startApp(options);
  const second = await startApp({ ...options, database: first.database });
  return {
    services: [first, second],
    async close() {
      await second.close();
      // The first app drops the database.
      await first.close();
    },
  };
}
