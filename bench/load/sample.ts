import { percentileOf } from '../statistics.ts';

/** One measurement of one system. */
export interface Sample {
  /** Events, records or polls, whatever the work consists of. */
  readonly units: number;
  readonly requests: number;
  readonly seconds: number;
  readonly latencyMs: Latency;
  /** Of all that ran meanwhile. The load process does not know it: see systems/cost-meter.ts. */
  readonly cost?: Cost;
  /** Of clients that take any answer: then all else is of the accepted alone. */
  readonly answers?: Answers;
}

/** What was spent from the beginning to the end of a measurement. */
export interface Cost {
  /** Microseconds of a processor, of the process that does the work beside PostgreSQL. Null where nobody can say. */
  readonly serviceMicros: number | null;
  /** The same, of all processes of the cluster. */
  readonly postgresMicros: number | null;
  /** Of the write-ahead log, of the whole cluster. */
  readonly walBytes: number;
}

/** Requests, by what became of them. */
export interface Answers {
  /** All that were due. */
  readonly offered: number;
  /** 200, 503, 429, another status. */
  readonly accepted: number;
  readonly unavailable: number;
  readonly limited: number;
  readonly other: number;
  /** No answer, or no free connection to ask on. */
  readonly none: number;
  /** How long after it was due the last hundredth was sent: much of it, and the generator is what was measured. */
  readonly lateP99Ms: number;
}

export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Collects while a measurement runs. */
export class Recorder {
  readonly #startedAt = performance.now();
  readonly #latencies: number[] = [];
  #units = 0;

  add(latencyMs: number, units: number): void {
    this.#latencies.push(latencyMs);
    this.#units += units;
  }

  finish(): Sample {
    const sorted = Float64Array.from(this.#latencies).sort();
    return {
      units: this.#units,
      requests: sorted.length,
      seconds: (performance.now() - this.#startedAt) / 1000,
      latencyMs: {
        p50: percentileOf(sorted, 0.5),
        p99: percentileOf(sorted, 0.99),
        max: percentileOf(sorted, 1),
      },
    };
  }
}
