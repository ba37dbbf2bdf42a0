import pg from 'pg';
import { migrate } from '../../src/storage/migrate.ts';

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
      const url = new URL(clusterUrl);
      url.pathname = `/${own}`;
      urls.set(own, url.href);
      await withClient(clusterUrl, (client) =>
        client.query(`CREATE DATABASE "${own}" TEMPLATE template0`),
      );
      await migrate(url.href);
      return url.href;
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

type ClusterSettings = { readonly [name: string]: string | null };

const farApart: ClusterSettings = { max_wal_size: '64GB', checkpoint_timeout: '1d' };

/**
 * Runs `fill` without checkpoints, after each of which PostgreSQL logs whole every page that it changes: of
 * rows that go all over large indexes that is nearly all of them, again and again. A superuser can do it.
 */
export async function withoutCheckpoints<Result>(
  url: string,
  fill: () => Promise<Result>,
): Promise<Result> {
  const before = await alterCluster(url, farApart);
  try {
    return await fill();
  } finally {
    await alterCluster(url, before);
  }
}

/** @returns what to call it with to undo it */
function alterCluster(url: string, settings: ClusterSettings): Promise<ClusterSettings> {
  return withClient(url, async (client) => {
    const before: Record<string, string | null> = {};
    for (const [name, value] of Object.entries(settings)) {
      const { rows } = await client.query<{ setting: string }>(
        `SELECT setting FROM pg_file_settings
         WHERE name = $1 AND sourcefile LIKE '%postgresql.auto.conf'`,
        [name],
      );
      before[name] = rows[0]?.setting ?? null;
      await client.query(
        value === null
          ? `ALTER SYSTEM RESET ${name}`
          : `ALTER SYSTEM SET ${name} = ${pg.escapeLiteral(value)}`,
      );
    }
    await client.query('SELECT pg_reload_conf()');
    return before;
  });
}

export async function withClient<Result>(
  url: string,
  use: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client(url);
  // A connection that breaks fails what waits for it; unheard, the event would end the process.
  client.on('error', () => {});
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
