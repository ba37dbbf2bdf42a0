import type { Sample } from './load/sample.ts';
import type { BenchRun } from './bench-run.ts';

/** One of the systems that take turns. */
export interface Contestant {
  /** Puts the system under load for so many seconds. */
  readonly run: (seconds: number) => Promise<Sample>;
  /** Of the process that does the work, beside PostgreSQL. */
  readonly pid: number;
}

/**
 * Warms each system up, then measures them in turns, each round beginning with another: whatever the
 * machine does meanwhile, it does to all. What a turn costs belongs to the system whose turn it is.
 */
export async function alternate<Name extends string>(
  bench: BenchRun,
  contestants: Readonly<Record<Name, Contestant>>,
): Promise<Record<Name, readonly Sample[]>> {
  const { rounds, warmUpSeconds, seconds } = bench.sizes;
  const names = Object.keys(contestants) as Name[];
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    Sample[]
  >;
  for (const name of names) await contestants[name].run(warmUpSeconds);
  await bench.analyzeDatabases();
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(round + turn) % names.length];
      if (name === undefined) continue;
      const { pid, run } = contestants[name];
      samples[name].push(await bench.withCost(pid, () => run(seconds)));
    }
  }
  return samples;
}
