import { expect, vi } from 'vitest';
import { put } from '../testkit/oracle/events.ts';
import type { Kept, TcpProxy } from '../testkit/tcp-proxy.ts';
import { withClient } from '../testkit/template.ts';
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

const [lanes, readLanes] = [4, 2];
const poolSize = lanes + readLanes + 1;

/** A service whose connections a test can count. */
export const pooled = {
  DATABASE_POOL_SIZE: `${poolSize}`,
  COMMIT_LANES: `${lanes}`,
  READ_LANES: `${readLanes}`,
};

interface Pooled {
  /** Past every proxy. */
  readonly databaseUrl: string;
  /** Between the service and the database. */
  readonly network: TcpProxy;
  /** A service with the settings above. */
  readonly at: Entrance;
}

/**
 * The service can use as many connections at once as it may, and comes to have no more than its pool
 * may have, none of them in the middle of anything.
 */
export async function expectWholePool({ databaseUrl, network, at }: Pooled): Promise<void> {
  const kept: Kept[] = [];
  const asked: Promise<unknown>[] = [];
  for (let lane = 0; lane < readLanes; lane += 1) {
    const stopped = network.stopAt(() => true);
    asked.push(newTenant(databaseUrl).device('reader', at).page());
    kept.push(await stopped);
  }
  for (let lane = 0; lane < lanes; lane += 1) {
    const stopped = network.stopAt(isCommitOfPush);
    const pushed = newTenant(databaseUrl)
      .device('laptop', at)
      .push([put('n1')]);
    asked.push(pushed.then(({ outcome }) => outcome));
    kept.push(await stopped);
  }
  expect(new Set(kept.map(({ pid }) => pid)).size).toBe(readLanes + lanes);
  for (const statement of kept) statement.pass();
  expect(await Promise.all(asked)).toEqual(asked.map(() => 'ok'));
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
