import { configDefaults, defineConfig } from 'vitest/config';

const NEEDS_DATABASE = ['integration', 'faults', 'security', 'e2e'];
const SLOW = 'tests/faults/slow/**';

export default defineConfig({
  test: {
    // Worker threads share a process: a test that sends signals or opens many sockets needs its own.
    pool: 'forks',
    // Bounds for what hangs, not for what is slow: no test measures time.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
    // Half of what the tests do is to wait, for locks and processes: two at a time also on a small machine.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['tests/unit/**/*.test.ts'] },
      },
      {
        extends: true,
        test: {
          name: 'database',
          include: NEEDS_DATABASE.map((folder) => `tests/${folder}/**/*.test.ts`),
          exclude: [...configDefaults.exclude, SLOW],
          globalSetup: ['tests/testkit/postgres/global-setup.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'slow-faults',
          include: [`${SLOW}/*.test.ts`],
          globalSetup: ['tests/testkit/postgres/global-setup.ts'],
        },
      },
    ],
  },
});
