import { expect, vi } from 'vitest';
import { put } from '../model/events.ts';
import type { Kept, TcpProxy } from '../setup/tcp-proxy.ts';
import { withClient } from '../setup/template.ts';
import { isCommitOfPush } from './scenarios.ts';
import { type Entrance, newTenant } from './stage.ts';

interface Backend {
  readonly pid: number;
  readonly state: string | null;
}

/** What the services' pools have open at the database, past every proxy. */
function backendsOf(databaseUrl: string): Promise<Backend[]> {
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

interface Pooled {
  /** Past every proxy. */
  readonly databaseUrl: string;
  /** Between the service and the database. */
  readonly network: TcpProxy;
  /** A service whose DATABASE_POOL_SIZE and COMMIT_LANES are both `poolSize`. */
  readonly at: Entrance;
  readonly poolSize: number;
}

/**
 * The service can use as many connections at once as its pool may have, and comes to have no more,
 * none of them in the middle of anything.
 */
export async function expectWholePool({ databaseUrl, network, at, poolSize }: Pooled) {
  const kept: Kept[] = [];
  const pushes: Promise<{ outcome: string }>[] = [];
  while (kept.length < poolSize) {
    const stopped = network.stopAt(isCommitOfPush);
    pushes.push(
      newTenant(databaseUrl)
        .device('laptop', at)
        .push([put('n1')]),
    );
    kept.push(await stopped);
  }
  expect(new Set(kept.map(({ pid }) => pid)).size).toBe(poolSize);
  for (const commit of kept) commit.pass();
  for (const pushed of pushes) expect(await pushed).toMatchObject({ outcome: 'ok' });
  await vi.waitFor(
    async () => {
      const backends = await backendsOf(databaseUrl);
      expect(backends.map(({ state }) => state)).toEqual(backends.map(() => 'idle'));
      expect(backends.length).toBeLessThanOrEqual(poolSize);
      expect(network.connections()).toBeLessThanOrEqual(poolSize);
    },
    { timeout: 30_000, interval: 100 },
  );
}
