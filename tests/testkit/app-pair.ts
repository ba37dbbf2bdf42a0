import { type AppOptions, startApp, type TestApp } from './app.ts';

/** Two service processes' worth of apps on one database, between which clients move. */
export interface AppPair {
  readonly services: readonly [TestApp, TestApp];
  close(): Promise<void>;
}

export async function startAppPair(options: Omit<AppOptions, 'database'> = {}): Promise<AppPair> {
  const first = await startApp(options);
  const second = await startApp({ ...options, database: first.database });
  return {
    services: [first, second],
    async close() {
      await second.close();
      // It owns the database.
      await first.close();
    },
  };
}
