import { setImmediate as endTurn } from 'node:timers/promises';
import { overloadedError } from './refusals.ts';

/** The longest that work goes on before others have a turn of the event loop, in milliseconds. */
const stretchMs = 50;

/** There is more to do for one transaction than it may take. */
export class WorkLimitError extends Error {
  override readonly name = 'TooMuchWork';
}

/** By default without a bound. */
export interface WorkBudgetOptions {
  /** Milliseconds of work; beyond them it ends as TooMuchWork. */
  readonly maxWorkMs?: number;
  /**
   * Milliseconds in all. Beyond them others have left no time for it, and it ends as OVERLOADED; but as
   * TooMuchWork where a good part of the work was done, which would need as long the next time.
   */
  readonly maxMs?: number;
}

/** Measures work that is done in one transaction, and lets others go on in between. */
export interface WorkBudget {
  /** Whether the work has gone on for a stretch without a rest. */
  shouldYield(): boolean;
  /**
   * A turn of the event loop for others.
   *
   * @throws TooMuchWork or RequestProblem OVERLOADED
   */
  yieldToOthers(): Promise<void>;
}

export function startWorkBudget({
  maxWorkMs = Infinity,
  maxMs = Infinity,
}: WorkBudgetOptions = {}): WorkBudget {
  const startedAt = performance.now();
  let stretch = beginStretch();
  let workedMs = 0;
  return {
    shouldYield: () => performance.now() - stretch.startedAt >= stretchMs,
    async yieldToOthers() {
      workedMs += workedSince(stretch);
      if (workedMs > maxWorkMs) throw new WorkLimitError(`more than ${maxWorkMs} ms of work`);
      await endTurn();
      if (performance.now() - startedAt > maxMs) {
        throw workedMs > maxWorkMs / 4
          ? new WorkLimitError(`not done in ${maxMs} ms`)
          : overloadedError();
      }
      stretch = beginStretch();
    },
  };
}

interface Stretch {
  readonly startedAt: number;
  readonly cpu: NodeJS.CpuUsage;
}

function beginStretch(): Stretch {
  return { startedAt: performance.now(), cpu: process.cpuUsage() };
}

/** Time in which the process did not run, as while it was stopped, is no work. */
function workedSince({ startedAt, cpu }: Stretch): number {
  const { user, system } = process.cpuUsage(cpu);
  return Math.min(performance.now() - startedAt, (user + system) / 1000);
}
