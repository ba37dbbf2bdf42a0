import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { runCommand } from '../src/cli/command.ts';
import { isRunning } from '../tests/testkit/processes/child-process.ts';
import type { ScenarioResult } from './findings.ts';
import { describeMachine } from './machine.ts';
import { benchCommand, type BenchOptions, readBenchOptions } from './options.ts';
import { printReport, type Report } from './report.ts';
import { withBenchRun } from './bench-run.ts';
import { openCluster } from './systems/cluster.ts';
import { openCostMeter } from './systems/cost-meter.ts';
import { openDatabases } from './systems/databases.ts';
import { installPeers } from './systems/peers.ts';

const folder = fileURLToPath(new URL('../.data/bench', import.meta.url));
const stages = join(folder, `stage-${process.pid}`);
const say = (line: string) => void process.stderr.write(`bench: ${line}\n`);

async function main(options: BenchOptions): Promise<void> {
  await mkdir(folder, { recursive: true });
  await sweep();
  if (options.withPeers) await installPeers(say);
  const cluster = await openCluster(join(folder, 'cluster'), process.env);
  try {
    const report = await runAll(options, cluster.url);
    process.stdout.write(
      options.json ? `${JSON.stringify(report, null, 2)}\n` : printReport(report),
    );
  } finally {
    await cluster.stop();
    await rm(stages, { recursive: true, force: true });
  }
}

/** Removes the files of runs that were killed. */
async function sweep(): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = /^stage-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}

async function runAll(options: BenchOptions, clusterUrl: string): Promise<Report> {
  const databases = await openDatabases(clusterUrl);
  const costs = await openCostMeter(clusterUrl);
  const startedAt = new Date().toISOString();
  const results: ScenarioResult[] = [];
  for (const { run, name, work, unit } of options.scenarios) {
    const since = performance.now();
    try {
      const result = await withBenchRun({ ...options, folder: stages, databases, costs }, run);
      results.push({ name, work, ...result, unit });
      say(`${name}: ${((performance.now() - since) / 1000).toFixed(0)} s`);
    } catch (error) {
      // What the others found is worth keeping.
      say(`${name} failed: ${inspect(error)}`);
      process.exitCode = 1;
    }
  }
  await costs.close();
  return {
    startedAt,
    sizes: options.sizes.name,
    withPeers: options.withPeers,
    machine: await describeMachine(databases.version),
    scenarios: results,
  };
}

/** What was started ends with this process: its life line breaks. */
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    say('stopped');
    process.exit(1);
  });
}

await runCommand(benchCommand, async (values) => {
  const options = readBenchOptions(values, process.env);
  try {
    await main(options);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  }
});
