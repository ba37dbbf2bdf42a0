import { setImmediate as nextIteration } from 'node:timers/promises';
import { overloadedError } from './refusals.ts';

/** The maximum of uninterrupted work before other tasks get an iteration of the event loop, in milliseconds. */
const maxStretchMs = 50;

/** A transaction needs more work than it may. */
export class WorkLimitError extends Error {
  override readonly name = 'WorkLimitError';
}

/** Without a maximum, the work is unlimited. */
export interface WorkBudgetOptions {
  /** The maximum of work in milliseconds. Work beyond it ends with WorkLimitError. */
  readonly maxWorkMs?: number;
  /**
   * The maximum of elapsed time in milliseconds. Beyond it the work ends as OVERLOADED, because other
   * tasks left no time for it. It ends with WorkLimitError if more than a quarter of `maxWorkMs` was
   * worked: a retry would need as long.
   */
  readonly maxMs?: number;
}

/** Measures the work of one transaction, and interrupts it for other tasks. */
export interface WorkBudget {
  /** Whether the work was uninterrupted for the maximum of time. */
  shouldYield(): boolean;
  /**
   * Interrupts the work for one iteration of the event loop.
   *
   * @throws WorkLimitError or RequestProblem OVERLOADED
   */
  yieldToOthers(): Promise<void>;
}

export function startWorkBudget({
  maxWorkMs = Infinity,
  maxMs = Infinity,
}: WorkBudgetOptions = {}): WorkBudget {
  const startedAt = performance.now();
  let stretch = startStretch();
  let workedMs = 0;
  return {
    shouldYield: () => performance.now() - stretch.startedAt >= maxStretchMs,
    async yieldToOthers() {
      workedMs += workedSince(stretch);
      if (workedMs > maxWorkMs) throw new WorkLimitError(`more than ${maxWorkMs} ms of work`);
      await nextIteration();
      if (performance.now() - startedAt > maxMs) {
        throw workedMs > maxWorkMs / 4
          ? new WorkLimitError(`not done in ${maxMs} ms`)
          : overloadedError();
      }
      stretch = startStretch();
    },
  };
}

/** A period of uninterrupted work. */
interface Stretch {
  readonly startedAt: number;
  readonly cpu: NodeJS.CpuUsage;
}

function startStretch(): Stretch {
  const startedAt = performance.now();
  return { startedAt, cpu: recentCpuUsage(startedAt) };
}

/** For how long a reading of the processor time serves the stretches that begin after it, in milliseconds. */
const maxReadingAgeMs = 10;

let reading = { at: Number.NEGATIVE_INFINITY, cpu: process.cpuUsage() };

/** A system call for each transaction would be a noticeable part of a small one. An older reading only adds to the work. */
function recentCpuUsage(now: number): NodeJS.CpuUsage {
  if (now - reading.at > maxReadingAgeMs) reading = { at: now, cpu: process.cpuUsage() };
  return reading.cpu;
}

/** CPU time bounds the result: time in which the process was stopped is no work. */
function workedSince({ startedAt, cpu }: Stretch): number {
  const { user, system } = process.cpuUsage(cpu);
  return Math.min(performance.now() - startedAt, (user + system) / 1000);
}
