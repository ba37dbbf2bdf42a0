import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { runCommand } from '../../src/cli/command.ts';
import { schemaOf } from '../../src/config/database-url.ts';
import { begin, commit, tenantScope } from '../../src/postgres/client/transaction.sql.ts';
import { runPipelined } from '../../src/postgres/client/pipeline.ts';
import { TenantEntityMap } from '../../src/postgres/ingest/tenant-entity-map.ts';
import { loadRecords } from '../../src/postgres/ingest/load.sql.ts';
import { describeMachine } from '../machine.ts';
import { tenantNames } from '../scenarios/contestants.ts';
import { spreadOf } from '../statistics.ts';
import { openCluster } from '../systems/cluster.ts';
import { type Databases, openDatabases } from '../systems/databases.ts';
import { processorMicros } from '../systems/processor-time.ts';
import { fillStock } from '../systems/stock.ts';
import { groupSize, groupsOfRows, type Row } from './rows.ts';
import { type Table, tables, type Variant } from './variants.ts';

/**
 * What it costs PostgreSQL to write a row, and what it would cost otherwise: microseconds of the
 * backend's processor time (Linux), with everything else of the transaction around it.
 */
const smoke = process.env.BENCH_SIZES === 'smoke';
const rounds = smoke ? 1 : 3;
const warmUpMs = smoke ? 50 : 2_500;
const roundMs = smoke ? 50 : 2_000;
/** Of each of 50 tenants, before the first row. */
const notes = smoke ? 100 : 1_000;
const folder = fileURLToPath(new URL('../../.data/bench/statements', import.meta.url));

interface Contestant {
  readonly name: string;
  run(ms: number): Promise<number>;
  readonly client: pg.Client;
}

async function main(): Promise<void> {
  const cluster = await openCluster(folder, process.env);
  try {
    const databases = await openDatabases(cluster.url);
    const { processor, cores, postgres } = await describeMachine(databases.version);
    process.stdout.write(
      `${processor}, ${cores} cores, PostgreSQL ${postgres}; ${groupSize} rows a statement\n`,
    );
    try {
      for (const table of tables) process.stdout.write(await measureTable(databases, table));
    } finally {
      await databases.drop();
    }
  } finally {
    await cluster.stop();
  }
}

async function measureTable(databases: Databases, table: Table): Promise<string> {
  const contestants: Contestant[] = [];
  for (const variant of table.variants) {
    contestants.push(await prepare(databases, table, variant));
  }
  for (const each of contestants) await each.run(warmUpMs);
  await databases.analyze();
  const figures = new Map(contestants.map((each) => [each.name, [] as number[]]));
  for (let round = 0; round < rounds; round += 1) {
    for (const each of contestants) figures.get(each.name)?.push(await each.run(roundMs));
  }
  for (const { client } of contestants) await client.end();
  const own = spreadOf(figures.get(contestants[0]?.name ?? '') ?? []).median;
  const lines = [...figures].map(([variant, micros]) => {
    const { median, min, max } = spreadOf(micros);
    const spread = `${median.toFixed(1)} (${min.toFixed(1)} – ${max.toFixed(1)})`;
    return `| ${variant} | ${spread} | ${(median / own).toFixed(2)} |\n`;
  });
  return `\n| ${table.name} | µs of PostgreSQL a row | × |\n| --- | --- | --- |\n${lines.join('')}`;
}

async function prepare(
  databases: Databases,
  { isNew, isLoaded }: Table,
  { name, schema = [], write }: Variant,
): Promise<Contestant> {
  const url = await databases.create('statement');
  await fillStock(url, { tenants: tenantNames(), events: notes, entities: notes });
  const client = new pg.Client({ connectionString: url, pipeline: true });
  await client.connect();
  for (const change of schema) await client.query(change);
  const pid = await backendOf(client);
  const groups = groupsOfRows({ tenantNos: await readTenants(client), notes, isNew });

  /** In two round trips, as the service's. */
  async function runTransaction(rows: readonly Row[]): Promise<void> {
    const scope = tenantScope([...new Set(rows.map(({ event }) => event.tenantNo))]);
    const entities = rows.map(({ record }) => record);
    const [, loaded] = await runPipelined(client, (sender) =>
      Promise.all([
        begin(sender, scope, { schema: schemaOf(url), form: 'many' }),
        isLoaded ? loadRecords(sender, entities, 'many') : [],
      ]),
    );
    const places = new TenantEntityMap<string | null>();
    for (const found of loaded) places.set(found, found.place);
    const { text, values = [] } = write(
      rows.map((row) => ({ ...row, place: places.get(row.record) ?? '' })),
    );
    await runPipelined(client, (sender) =>
      Promise.all([sender.query({ name: 'variant', text, values: [...values] }), commit(sender)]),
    );
  }

  async function run(ms: number): Promise<number> {
    const before = await processorMicros(pid);
    const until = performance.now() + ms;
    let written = 0;
    do {
      const rows = groups.next().value;
      await runTransaction(rows);
      written += rows.length;
    } while (performance.now() < until);
    const after = await processorMicros(pid);
    return before === null || after === null ? Number.NaN : (after - before) / written;
  }

  return { name, run, client };
}

async function backendOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

/** @returns the numbers of the tenants */
async function readTenants(client: pg.Client): Promise<readonly number[]> {
  const { rows } = await client.query<{ no: number }>('SELECT no FROM tenants ORDER BY no');
  return rows.map(({ no }) => no);
}

await runCommand({ usage: 'usage: npm run bench:statements', options: {} }, main);
