import pg from 'pg';
import { migrate } from '../../src/postgres/migrate/migrate.ts';
import { urlOfDatabase, withClient } from '../../tests/testkit/postgres/client.ts';

export interface Databases {
  /** A new, migrated database of this cluster; its connection string. */
  create(name: string): Promise<string>;
  /** Gathers the planner's statistics of all that were made. */
  analyze(): Promise<void>;
  /** Such as `18.4`. */
  readonly version: string;
  drop(): Promise<void>;
}

/**
 * @throws Error where the cluster does not write what it has committed: its figures would compare
 *   with nothing
 */
export async function openDatabases(clusterUrl: string): Promise<Databases> {
  const version = await withClient(clusterUrl, async (client) => {
    for (const name of ['fsync', 'synchronous_commit', 'full_page_writes']) {
      const { rows } = await client.query<{ value: string }>(
        'SELECT current_setting($1) AS value',
        [name],
      );
      if (rows[0]?.value !== 'on') throw new Error(`the cluster has ${name} = ${rows[0]?.value}`);
    }
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
    return rows[0]?.server_version ?? '';
  });
  const urls = new Map<string, string>();
  return {
    version,
    async create(name) {
      const own = `landfall_bench_${process.pid}_${urls.size}_${name.replaceAll('-', '_')}`;
      const url = urlOfDatabase(clusterUrl, own);
      urls.set(own, url);
      await withClient(clusterUrl, async (client) => {
        await client.query(`CREATE DATABASE "${own}" TEMPLATE template0`);
        // For the statements of the benchmark. The service sets its own search path.
        await client.query(`ALTER DATABASE "${own}" SET search_path = landfall, public`);
      });
      await migrate(url);
      return url;
    },
    async analyze() {
      for (const url of urls.values()) await withClient(url, (client) => client.query('ANALYZE'));
    },
    drop: () =>
      withClient(clusterUrl, async (client) => {
        for (const name of urls.keys()) {
          await client.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
        }
        urls.clear();
      }),
  };
}

/**
 * Lets checkpoints of the cluster come by time alone, every five minutes, as PostgreSQL itself advises in its
 * log where they come by the size of what is written. After each it logs whole every page that it changes
 * first: of rows that go all over large indexes that is nearly each of them. A superuser can do it.
 */
export async function withCheckpointsByTime<Result>(
  url: string,
  run: () => Promise<Result>,
): Promise<Result> {
  const before = await withClient(url, async (client) => {
    const { rows } = await client.query<{ setting: string }>(
      `SELECT setting FROM pg_file_settings
       WHERE name = 'max_wal_size' AND sourcefile LIKE '%postgresql.auto.conf'`,
    );
    return rows[0]?.setting;
  });
  await alterCluster(url, `SET max_wal_size = '64GB'`);
  try {
    return await run();
  } finally {
    await alterCluster(
      url,
      before === undefined
        ? 'RESET max_wal_size'
        : `SET max_wal_size = ${pg.escapeLiteral(before)}`,
    );
  }
}

function alterCluster(url: string, change: string): Promise<void> {
  return withClient(url, async (client) => {
    await client.query(`ALTER SYSTEM ${change}`);
    await client.query('SELECT pg_reload_conf()');
  });
}
