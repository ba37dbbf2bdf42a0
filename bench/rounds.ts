import type { Sample } from './load/sample.ts';
import type { BenchRun } from './bench-run.ts';

/** Puts one system under load for so many seconds. */
export type Contestant = (seconds: number) => Promise<Sample>;

/**
 * Warms each system up, then measures them in turns, each round beginning with another: whatever the
 * machine does meanwhile, it does to all.
 */
export async function alternate<Name extends string>(
  { sizes: { rounds, warmUpSeconds, seconds }, analyzeDatabases: settle }: BenchRun,
  contestants: Readonly<Record<Name, Contestant>>,
): Promise<Record<Name, readonly Sample[]>> {
  const names = Object.keys(contestants) as Name[];
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    Sample[]
  >;
  for (const name of names) await contestants[name](warmUpSeconds);
  await settle();
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(round + turn) % names.length];
      if (name !== undefined) samples[name].push(await contestants[name](seconds));
    }
  }
  return samples;
}
