import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { runCommand } from '../../src/cli/command.ts';
import { begin, commit, tenantScope } from '../../src/postgres/client/transaction.sql.ts';
import { runPipelined } from '../../src/postgres/client/pipeline.ts';
import { describeMachine } from '../machine.ts';
import { spreadOf } from '../statistics.ts';
import { openCluster } from '../systems/cluster.ts';
import { type Databases, openDatabases } from '../systems/databases.ts';
import { groupSize, groupsOfRows } from './rows.ts';
import { type Table, tables, type Variant } from './variants.ts';

/**
 * What it costs PostgreSQL to write a row, and what it would cost otherwise: microseconds of the
 * backend's processor time (Linux), with everything else of the transaction around it.
 */
const smoke = process.env.BENCH_SIZES === 'smoke';
const rounds = smoke ? 1 : 3;
const warmUpMs = smoke ? 50 : 2_500;
const roundMs = smoke ? 50 : 2_000;
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

async function measureTable(databases: Databases, { name, variants }: Table): Promise<string> {
  const contestants: Contestant[] = [];
  for (const variant of variants) contestants.push(await prepare(databases, variant));
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
  return `\n| ${name} | µs of PostgreSQL a row | × |\n| --- | --- | --- |\n${lines.join('')}`;
}

async function prepare(databases: Databases, variant: Variant): Promise<Contestant> {
  const client = new pg.Client({
    connectionString: await databases.create('statement'),
    pipeline: true,
  });
  await client.connect();
  for (const change of variant.schema ?? []) await client.query(change);
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const pid = rows[0]?.pid ?? 0;
  const groups = groupsOfRows();

  async function run(ms: number): Promise<number> {
    const before = await processorMicros(pid);
    const until = performance.now() + ms;
    let written = 0;
    do {
      const group = groups.next().value;
      const scope = tenantScope([...new Set(group.map(({ tenantId }) => tenantId))]);
      await runPipelined(client, (sender) =>
        Promise.all([
          begin(sender, scope),
          sender.query({ name: 'variant', text: variant.text, values: [...variant.values(group)] }),
          commit(sender),
        ]),
      );
      written += group.length;
    } while (performance.now() < until);
    return ((await processorMicros(pid)) - before) / written;
  }

  return { name: variant.name, run, client };
}

const microsATick = 10_000;

/** User's and system's time of a process so far. */
async function processorMicros(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * microsATick;
}

await runCommand({ usage: 'usage: npm run bench:statements', options: {} }, main);
