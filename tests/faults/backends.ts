import { expect, vi } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import type { HeldMessage, TcpProxy } from '../testkit/network/tcp-proxy.ts';
import { withClient } from '../testkit/postgres/client.ts';
import { newTenant, type ServiceEndpoint } from './fixtures.ts';
import { isCommitOfPush } from './scenarios.ts';

interface Backend {
  readonly pid: number;
  readonly state: string | null;
}

/** The server processes of all client connections to the database, except the one that asks. */
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

/** Terminates a server process, as an administrator does. Resolves once it has ended. */
export async function terminateBackend(databaseUrl: string, pid: number): Promise<void> {
  await withClient(databaseUrl, (client) =>
    client.query('SELECT pg_terminate_backend($1, 30000)', [pid]),
  );
}

const [commitLanes, readLanes] = [4, 2];
const poolSize = commitLanes + readLanes + 1;

/** Settings of a service whose connections a test can count. */
export const smallPoolEnv = {
  DATABASE_POOL_SIZE: `${poolSize}`,
  COMMIT_LANES: `${commitLanes}`,
  READ_LANES: `${readLanes}`,
};

interface ServiceWithSmallPool {
  /** The database's URL without a proxy. */
  readonly databaseUrl: string;
  /** The proxy between the service and the database. */
  readonly network: TcpProxy;
  /** A service with the settings of `smallPoolEnv`. */
  readonly endpoint: ServiceEndpoint;
}

/**
 * Checks that the service can use all its lanes at the same time, and that it then has no more connections than its
 * pool may have, all of them idle.
 */
export async function expectHealthyPool({
  databaseUrl,
  network,
  endpoint,
}: ServiceWithSmallPool): Promise<void> {
  const held: HeldMessage[] = [];
  const outcomes: Promise<unknown>[] = [];
  for (let lane = 0; lane < readLanes; lane += 1) {
    const statement = network.holdRequest(() => true);
    outcomes.push(newTenant(databaseUrl).device('reader', endpoint).page());
    held.push(await statement);
  }
  for (let lane = 0; lane < commitLanes; lane += 1) {
    const commit = network.holdRequest(isCommitOfPush);
    const pushed = newTenant(databaseUrl)
      .device('laptop', endpoint)
      .push([putNote('n1')]);
    outcomes.push(pushed.then(({ outcome }) => outcome));
    held.push(await commit);
  }
  expect(new Set(held.map(({ backendPid }) => backendPid)).size).toBe(readLanes + commitLanes);
  for (const statement of held) statement.release();
  expect(await Promise.all(outcomes)).toEqual(outcomes.map(() => 'ok'));
  await vi.waitFor(
    async () => {
      const backends = await backendsOf(databaseUrl);
      expect(backends.map(({ state }) => state)).toEqual(backends.map(() => 'idle'));
      expect(backends.length).toBeLessThanOrEqual(poolSize);
      expect(network.openConnections()).toBeLessThanOrEqual(poolSize);
    },
    { timeout: 30_000, interval: 100 },
  );
}
