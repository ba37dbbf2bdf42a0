import type { ScenarioResult } from '../findings.ts';
import type { BenchRun } from '../bench-run.ts';

export interface Scenario {
  readonly name: string;
  /** In a sentence, for the reader of the figures. */
  readonly work: string;
  /** What the rates count. */
  readonly unit: 'events' | 'records' | 'polls';
  readonly run: (bench: BenchRun) => Promise<Pick<ScenarioResult, 'findings' | 'systems'>>;
}
