import { expect, vi } from 'vitest';
import { withClient } from '../setup/template.ts';

interface Backend {
  readonly pid: number;
  readonly state: string | null;
}

/** What the services' pools have open at the database, past every proxy. */
export function backendsOf(databaseUrl: string): Promise<Backend[]> {
  return withClient(databaseUrl, async (client) => {
    const { rows } = await client.query<Backend>(
      `SELECT pid, state FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
          AND backend_type = 'client backend'`,
    );
    return rows;
  });
}

/** Ends it as an administrator does. Resolves when it is gone. */
export async function terminate(databaseUrl: string, pid: number): Promise<void> {
  await withClient(databaseUrl, (client) =>
    client.query('SELECT pg_terminate_backend($1, 30000)', [pid]),
  );
}

/** Comes to have no more connections than a pool may have, and none in the middle of anything. */
export async function expectNoLeak(databaseUrl: string, poolSize: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const backends = await backendsOf(databaseUrl);
      expect(backends.map(({ state }) => state)).toEqual(backends.map(() => 'idle'));
      expect(backends.length).toBeLessThanOrEqual(poolSize);
    },
    { timeout: 30_000, interval: 100 },
  );
}
