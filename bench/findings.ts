import type { Cost, Sample } from './load/sample.ts';
import { type Spread, spreadOf } from './statistics.ts';

/** One system's figures in a scenario, over all rounds. */
export interface Measured {
  /** Units a second. */
  readonly rate: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  /** Undefined where the costs of several systems cannot be told apart. */
  readonly cost?: MeasuredCost;
}

/** What each piece of work cost. */
export interface MeasuredCost {
  readonly each: Piece;
  /** Microseconds of a processor; null where nobody can say. */
  readonly serviceMicros: Spread | null;
  readonly postgresMicros: Spread | null;
  readonly walBytes: Spread | null;
}

/** Of what a cost is told: of each unit of the work, or of a whole request that brings many records. */
export type Piece = 'event' | 'poll' | 'page';

/** What a scenario is about: a figure with its target. */
export interface Finding {
  readonly name: string;
  readonly value: Spread;
  readonly unit: '×' | 'µs' | 'ms' | 's' | 'bytes' | 'MB' | '%' | 'events';
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

export function measure(samples: readonly Sample[], each: Piece = 'event'): Measured {
  const figures = {
    rate: spreadOf(samples.map(rateOf)),
    p50Ms: spreadOf(samples.map(p50Of)),
    p99Ms: spreadOf(samples.map(({ latencyMs }) => latencyMs.p99)),
  };
  if (samples.some(({ cost }) => cost === undefined)) return figures;
  const spread = (part: keyof Cost) => {
    const values = costsOf(samples, part, each);
    return values.length > 0 ? spreadOf(values) : null;
  };
  const cost = {
    each,
    serviceMicros: spread('serviceMicros'),
    postgresMicros: spread('postgresMicros'),
    walBytes: spread('walBytes'),
  };
  return { ...figures, cost };
}

export function rateOf({ units, seconds }: Sample): number {
  return units / seconds;
}

export function p50Of({ latencyMs }: Sample): number {
  return latencyMs.p50;
}

/** What each piece cost, round by round. Empty where nobody can say. */
function costsOf(samples: readonly Sample[], part: keyof Cost, each: Piece): readonly number[] {
  return samples.flatMap(({ cost, units, requests }) => {
    const spent = cost?.[part] ?? null;
    return spent === null ? [] : [spent / (each === 'page' ? requests : units)];
  });
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

/** What the parts of the work cost. A part of which nobody can say it is left out. */
export function costFindings(
  samples: readonly Sample[],
  each: Piece,
  parts: readonly {
    readonly name: string;
    readonly part: keyof Cost;
    readonly target?: { readonly atMost: number };
  }[],
): readonly Finding[] {
  return parts.flatMap(({ name, part, target }) => {
    const values = costsOf(samples, part, each);
    const unit = part === 'walBytes' ? 'bytes' : 'µs';
    return values.length > 0 ? [finding(name, unit, values, target)] : [];
  });
}

/** The processor time of PostgreSQL for the same work; left out where nobody can say it. */
export function postgresRatio(
  name: string,
  numerators: readonly Sample[],
  denominators: readonly Sample[],
  each: Piece,
): readonly Finding[] {
  const [above, below] = [numerators, denominators].map((samples) =>
    costsOf(samples, 'postgresMicros', each),
  );
  return above?.length && below?.length ? [ratio(name, above, below)] : [];
}
