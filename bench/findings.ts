import type { Sample } from './load/sample.ts';
import { type Spread, spreadOf } from './statistics.ts';

/** One system's figures in a scenario, over all rounds. */
export interface Measured {
  /** Units a second. */
  readonly rate: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
}

/** What a scenario is about: a figure with its target. */
export interface Finding {
  readonly name: string;
  readonly value: Spread;
  readonly unit: '×' | 'ms' | 's' | 'MB' | '%' | 'events';
  /** Undefined: for orientation. */
  readonly target?: { readonly atLeast: number } | { readonly atMost: number };
  readonly reached?: boolean;
}

export interface ScenarioResult {
  readonly name: string;
  readonly work: string;
  readonly findings: readonly Finding[];
  /** What a unit of `rate` is. */
  readonly unit: string;
  readonly systems: Readonly<Record<string, Measured>>;
}

export function measure(samples: readonly Sample[]): Measured {
  return {
    rate: spreadOf(samples.map(rateOf)),
    p50Ms: spreadOf(samples.map(({ latencyMs }) => latencyMs.p50)),
    p99Ms: spreadOf(samples.map(({ latencyMs }) => latencyMs.p99)),
  };
}

export function rateOf({ units, seconds }: Sample): number {
  return units / seconds;
}

/**
 * Round by round, as the two were measured one after the other on the same machine in the same
 * state. A target is held against the median.
 */
export function ratio(
  name: string,
  numerators: readonly number[],
  denominators: readonly number[],
  target?: Finding['target'],
): Finding {
  const values = numerators.map((value, round) => value / (denominators[round] ?? Number.NaN));
  return finding(name, '×', values, target);
}

export function finding(
  name: string,
  unit: Finding['unit'],
  values: readonly number[],
  target?: Finding['target'],
): Finding {
  const value = spreadOf(values);
  if (target === undefined) return { name, value, unit };
  const reached =
    'atLeast' in target ? value.median >= target.atLeast : value.median <= target.atMost;
  return { name, value, unit, target, reached };
}
