import type { ScenarioResult } from '../findings.ts';
import type { Stage } from '../stage.ts';

export interface Scenario {
  readonly name: string;
  /** In a sentence, for the reader of the figures. */
  readonly work: string;
  /** What the rates count. */
  readonly unit: 'events' | 'records' | 'polls';
  readonly run: (stage: Stage) => Promise<Pick<ScenarioResult, 'findings' | 'systems'>>;
}
